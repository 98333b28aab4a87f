//! Extended attributes and file capabilities, set by a helper that the context brings.

use crate::case::Case;

/// busybox has no setfattr and no setcap, so the archive brings what they would have set.
const ARCHIVE: &str = "
mkdir in; cp /bin/true in/cap 2>/dev/null || echo x > in/cap
setcap cap_net_raw+ep in/cap 2>/dev/null || true
tar --xattrs --xattrs-include='*' --numeric-owner --mtime=@1400000000 -C in -cf caps.tar cap
rm -r in";

pub(super) const CASES: &[Case] = &[
    Case::new("metadata-capability-from-archive", "FROM base:1\nADD caps.tar /c/\n").context(ARCHIVE),
    Case::new("metadata-capability-through-stage", "FROM base:1 AS s\nADD caps.tar /c/\nFROM base:1\nCOPY --from=s /c /kept\nRUN chmod 700 /kept\n").context(ARCHIVE),
    Case::new("metadata-capability-lost-by-chown", "FROM base:1\nADD caps.tar /c/\nRUN chown daemon /c/cap\n").context(ARCHIVE),
    Case::new("metadata-capability-copy-chown", "FROM base:1 AS s\nADD caps.tar /c/\nFROM base:1\nCOPY --from=s --chown=daemon /c /d\n").context(ARCHIVE),
];
