//! What instructions leave in the config.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("config-env", "FROM base:1\nENV A=1 B=\"two words\" C=three\\ words\nENV D old style  value \nENV A=2 E=$A F='$A' G=\\$A\n"),
    Case::new("config-env-path", "FROM base:1\nENV PATH=/x:$PATH\nRUN echo $PATH > /path\n"),
    Case::new("config-cmd", "FROM base:1\nCMD [\"a\", \"b c\"]\nCMD echo $HOME \"x\"\n"),
    Case::new("config-cmd-json-broken", "FROM base:1\nCMD [ 'a', 'b' ]\n"),
    Case::new("config-entrypoint", "FROM base:1\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"x\"]\n"),
    Case::new("config-entrypoint-shell", "FROM base:1\nENTRYPOINT exec top -b\n"),
    Case::new("config-entrypoint-resets", "FROM parent:1\nENTRYPOINT [\"e\"]\n").parent("FROM base:1\nCMD [\"from\", \"parent\"]\n"),
    Case::new("config-entrypoint-keeps", "FROM parent:1\nCMD [\"mine\"]\nENTRYPOINT [\"e\"]\n").parent("FROM base:1\nCMD [\"from\", \"parent\"]\n"),
    Case::new("config-inherits", "FROM parent:1\nLABEL own=1\nRUN pwd > /where && id -u >> /where || true\n")
        .parent("FROM base:1\nLABEL from=parent own=0\nENV P=1\nUSER daemon\nWORKDIR /tmp\nEXPOSE 1\nVOLUME /v\nSTOPSIGNAL 9\nSHELL [\"/bin/sh\", \"-exc\"]\nHEALTHCHECK CMD x\nENTRYPOINT [\"e\"]\nCMD [\"c\"]\n"),
    Case::new("config-empty-lists", "FROM parent:1\nCMD []\nENTRYPOINT []\n").parent("FROM base:1\nENTRYPOINT [\"e\"]\nCMD [\"c\"]\n"),
    Case::new("config-expose", "FROM base:1\nEXPOSE 80 443/TCP 53/udp 8000-8003 9/sctp\nARG P=70\nEXPOSE $P/tcp\n"),
    Case::new("config-label", "FROM base:1\nLABEL a=1 \"b c\"=\"d e\" multi=\"line \\\nnext\" x.y-z=$HOME\nLABEL old style value\nARG V=v\nLABEL from-arg=$V quoted='$V' a=2\n"),
    Case::new("config-user", "FROM base:1\nUSER daemon\nUSER 12:34\nARG U=nobody\nUSER $U:bin\n"),
    Case::new("config-workdir", "FROM base:1\nWORKDIR /a\nWORKDIR b\nWORKDIR ../c/./d\nENV D=/e\nWORKDIR $D/f\nWORKDIR /g/\n"),
    Case::new("config-workdir-unclean", "FROM base:1\nWORKDIR /a//b/./c/../d/\nWORKDIR ./e/\n"),
    Case::new("config-volume", "FROM base:1\nVOLUME /a /b\nVOLUME [\"/c d\", \"/e\"]\nARG V=/f\nVOLUME $V\n"),
    Case::new("config-stopsignal", "FROM base:1\nSTOPSIGNAL SIGQUIT\n"),
    Case::new("config-stopsignal-number", "FROM base:1\nARG S=9\nSTOPSIGNAL $S\n"),
    Case::new("config-healthcheck", "FROM base:1\nHEALTHCHECK --interval=1m30s --timeout=3s --start-period=500ms --start-interval=2s --retries=4 CMD wget -q \"http://localhost/\" || exit 1\n"),
    Case::new("config-healthcheck-json", "FROM base:1\nHEALTHCHECK CMD [\"true\", \"x\"]\n"),
    Case::new("config-healthcheck-none", "FROM parent:1\nHEALTHCHECK NONE\n").parent("FROM base:1\nHEALTHCHECK CMD x\n"),
    Case::new("config-shell", "FROM base:1\nSHELL [\"/bin/sh\", \"-exc\"]\nCMD x\nRUN echo $- > /flags\nSHELL [\"/bin/busybox\", \"sh\", \"-c\"]\nENTRYPOINT y\n"),
    Case::new("config-maintainer", "FROM base:1\nMAINTAINER Jane Doe <jane@example.org>\n"),
    Case::new("config-onbuild", "FROM base:1\nONBUILD RUN echo $X > /x\nONBUILD COPY a b /c/\nONBUILD ENV A=$B\n"),
    Case::new("config-labels-flag", "FROM base:1\nLABEL a=1\n").flags(&["--label", "a=2", "--label", "z=9"]),
    Case::new("config-nothing", "FROM base:1\n"),
    Case::new("config-only-parent", "FROM parent:1\n").parent("FROM base:1\nRUN echo x > /x\nENV A=1\n"),
    Case::new("config-case-and-comments", "# a comment\nfrom base:1 as Final\n# another\nrun echo one \\\n  # inside\n\n  two > /out\nenv A=1 \\\n    B=2\n"),
    Case::new("config-escape", "# escape=`\nFROM base:1\nRUN echo a `\n  b > /out\nENV A=x\\y B=`$C\n"),
    Case::new("config-crlf", "FROM base:1\r\nENV A=1\r\nRUN echo x > /out\r\nCMD [\"a\"]\r\n"),
];
