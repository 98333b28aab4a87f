//! RUN --mount and --network: what a step sees, and that nothing of it stays.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("mount-bind", "FROM base:1\nRUN --mount=type=bind,source=d,target=/in cat /in/f > /out && ls -ld /in | cut -c1-10 >> /out\n").context("mkdir d; echo f > d/f"),
    Case::new("mount-bind-default", "FROM base:1\nWORKDIR /w\nRUN --mount=target=. cp f /out\nRUN --mount=target=rel,source=f cat rel > /rel\n").context("echo f > f"),
    Case::new("mount-bind-read-only", "FROM base:1\nRUN --mount=type=bind,target=/in (touch /in/new 2>/dev/null && echo written || echo refused) > /out\n").context("echo f > f"),
    Case::new("mount-bind-write", "FROM base:1\nRUN --mount=type=bind,target=/in,rw echo new > /in/new && cat /in/new > /out\nRUN --mount=type=bind,target=/in ls /in > /list\n").context("echo f > f"),
    Case::new("mount-bind-from-stage", "FROM base:1 AS s\nRUN echo s > /s\nFROM base:1\nRUN --mount=from=s,source=/s,target=/t/u cat /t/u > /out\n"),
    Case::new("mount-bind-from-image", "FROM base:1\nRUN --mount=from=parent:1,target=/p cat /p/made > /out\n").parent("FROM base:1\nRUN echo x > /made\n"),
    Case::new("mount-bind-over-existing", "FROM base:1\nRUN mkdir /e && echo own > /e/own\nRUN --mount=target=/e ls /e > /list\n").context("echo f > f"),
    Case::new("mount-cache", "FROM base:1\nRUN --mount=type=cache,target=/cache/x echo 1 > /cache/x/kept && ls -ld /cache/x | cut -c1-10 > /mode\nRUN --mount=type=cache,target=/cache/x cat /cache/x/kept > /second\n"),
    Case::new("mount-cache-owner", "FROM base:1\nRUN --mount=type=cache,id=own,target=/k,mode=0700,uid=5,gid=6 stat -c '%a %u %g' /k > /s\n"),
    Case::new("mount-cache-in-existing", "FROM base:1\nRUN mkdir -p /var/cache/apt && echo old > /var/cache/apt/old\nRUN --mount=type=cache,id=apt,target=/var/cache/apt touch /var/cache/apt/new && ls /var/cache/apt > /list\n"),
    Case::new("mount-cache-seeded", "FROM base:1 AS s\nRUN mkdir /seed && echo s > /seed/s\nFROM base:1\nRUN --mount=type=cache,id=seed,from=s,source=/seed,target=/c cat /c/s > /out && echo more > /c/more\n"),
    Case::new("mount-tmpfs", "FROM base:1\nRUN --mount=type=tmpfs,target=/t/mp echo x > /t/mp/x && stat -f -c %T /t/mp > /type && ls -ld /t/mp | cut -c1-10 >> /type\n"),
    Case::new("mount-tmpfs-over-tmp", "FROM base:1\nRUN echo keep > /tmp/keep\nRUN --mount=type=tmpfs,target=/tmp echo x > /tmp/x && ls /tmp > /list\n"),
    Case::new("mount-secret", "FROM base:1\nRUN --mount=type=secret,id=s cat /run/secrets/s > /out && stat -c '%a %u %g' /run/secrets/s >> /out\n").flags(&["--secret", "id=s,src=secret"]).context("printf geheim > ../secret"),
    Case::new("mount-secret-target", "FROM base:1\nRUN --mount=type=secret,id=s,target=/etc/deep/key,mode=0440,uid=1,gid=2 stat -c '%a %u %g' /etc/deep/key > /out\nRUN --mount=type=secret,target=/x/s cat /x/s > /by-name\n").flags(&["--secret", "id=s,src=secret"]).context("printf geheim > ../secret"),
    Case::new("mount-secret-env", "FROM base:1\nRUN --mount=type=secret,id=s,env=TOKEN echo $TOKEN > /out; ls /run >> /out 2>/dev/null || true\n").flags(&["--secret", "id=s,src=secret"]).context("printf geheim > ../secret"),
    Case::new("mount-secret-missing", "FROM base:1\nRUN --mount=type=secret,id=none cat /run/secrets/none > /out 2>/dev/null || echo none > /out\n"),
    Case::new("mount-secret-required", "FROM base:1\nRUN --mount=type=secret,id=none,required true\n").refused(),
    Case::new("mount-several", "FROM base:1\nRUN --mount=type=cache,target=/a/b --mount=type=tmpfs,target=/a/b/c --mount=target=/a/d find /a -maxdepth 2 | sort > /list\n").context("echo f > f"),
    Case::new("mount-variables", "FROM base:1\nARG at=/in src=d\nRUN --mount=target=${at},source=$src cat $at/f > /out\n").context("mkdir d; echo f > d/f"),
    Case::new("network-none", "FROM base:1\nRUN --network=none ls /sys/class/net > /net\n"),
];
