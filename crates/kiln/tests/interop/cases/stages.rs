//! Several stages, and where COPY --from leads.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("stages-copy-from-name", "FROM base:1 AS build\nRUN mkdir -p /o/bin && echo x > /o/bin/x && chmod 755 /o/bin/x\nFROM scratch\nCOPY --from=build /o /\n"),
    Case::new("stages-copy-from-index", "FROM base:1\nRUN echo 0 > /f\nFROM base:1\nRUN echo 1 > /f\nFROM scratch\nCOPY --from=0 /f /0\nCOPY --from=1 /f /1\n"),
    Case::new("stages-copy-from-image", "FROM scratch\nCOPY --from=base:1 /etc/passwd /etc/\nCOPY --from=base:1 /bin/sh /sh\n"),
    Case::new("stages-from-stage", "FROM base:1 AS a\nENV A=1\nRUN echo a > /a\nCMD [\"a\"]\nFROM a AS b\nRUN echo b > /b\nFROM b\nENV C=1\n"),
    Case::new("stages-unused", "FROM base:1 AS unused\nRUN exit 1\nFROM base:1\nRUN echo x > /x\n"),
    Case::new("stages-target", "FROM base:1 AS a\nRUN echo a > /a\nFROM a AS b\nRUN echo b > /b\nFROM b AS c\nRUN exit 1\n").flags(&["--target", "b"]),
    Case::new("stages-case", "FROM base:1 AS Build\nRUN echo x > /x\nFROM scratch\nCOPY --from=bUILD /x /\n"),
    Case::new("stages-same-name", "FROM base:1 AS s\nRUN echo 1 > /f\nFROM base:1 AS s\nRUN echo 2 > /f\nFROM scratch\nCOPY --from=s /f /\n"),
    Case::new("stages-metadata-kept", "FROM base:1 AS s\nRUN mkdir -p -m 2750 /d/e && echo x > /d/x && chown -R 7:8 /d && ln /d/x /d/y && ln -s x /d/z && chmod 4711 /d/x && touch -d '2001-01-01 00:00:00' /d/x /d/e\nFROM scratch\nCOPY --from=s /d /copied\nCOPY --from=s /d/z /single\n"),
    Case::new("stages-whole-root", "FROM base:1 AS s\nRUN rm -r /root && echo x > /x\nFROM scratch\nCOPY --from=s / /\n"),
    Case::new("stages-deleted-below", "FROM base:1 AS s\nRUN mkdir /d && touch /d/a /d/b\nRUN rm /d/a\nFROM scratch\nCOPY --from=s /d /d\n"),
    Case::new("stages-copy-through-link", "FROM base:1 AS s\nRUN mkdir /real && echo x > /real/x && ln -s /real /abs && ln -s real/x /file\nFROM scratch\nCOPY --from=s /abs/x /a\nCOPY --from=s /file /b\nCOPY --from=s /abs /c\nCOPY --from=s /abs/ /d/\n"),
    Case::new("stages-wildcard-from", "FROM base:1 AS s\nRUN mkdir -p /p/1.0/lib && echo x > /p/1.0/lib/l.so && echo y > /p/1.0/lib/m.a\nFROM scratch\nCOPY --from=s /p/*/lib/*.so /l/\n"),
    Case::new("stages-onbuild", "FROM parent:1\nRUN cat /app/f /seen > /out\n").context("echo f > f")
        .parent("FROM base:1\nONBUILD COPY f /app/\nONBUILD RUN echo seen > /seen\nONBUILD ENV SEEN=1\nRUN echo p > /p\n"),
    Case::new("stages-onbuild-of-stage", "FROM base:1 AS a\nONBUILD RUN echo x > /x\nFROM a\nRUN echo y > /y\n"),
    Case::new("stages-named-context", "FROM base:1\nCOPY --from=more d /d\n").flags(&["--build-context", "more=more-copied"]).context("mkdir -p ../more-copied/d; echo x > ../more-copied/d/x; chmod 700 ../more-copied/d"),
    Case::new("stages-named-context-over-image", "FROM other AS s\nRUN echo s > /s\n").flags(&["--build-context", "other=docker-image://base:1"]),
    Case::new("stages-named-context-over-stage", "FROM base:1 AS s\nRUN exit 1\nFROM base:1\nCOPY --from=s f /f\n").flags(&["--build-context", "s=more-over"]).context("mkdir ../more-over; echo x > ../more-over/f"),
    Case::new("stages-scratch-empty", "FROM scratch\nENV A=1\nCMD [\"x\"]\n"),
    Case::new("stages-scratch-workdir", "FROM scratch\nWORKDIR /a/b\n"),
    Case::new("stages-diamond", "FROM base:1 AS a\nRUN echo a > /a\nFROM a AS b\nRUN echo b > /b\nFROM a AS c\nRUN echo c > /c\nFROM a\nCOPY --from=b /b /\nCOPY --from=c /c /\n"),
    Case::new("stages-file-elsewhere", "FROM base:1\nRUN exit 1\n").flags(&["-f", "other/D"]).context("mkdir ../other; printf 'FROM base:1\\nCOPY f /f\\n' > ../other/D; echo f > f"),
];
