//! ARG, ENV and every form of expansion.

use crate::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("variables-modifiers", "FROM base:1\nENV S=set E=\nENV A=${S:-d} B=${E:-d} C=${U:-d} D=${S-d} F=${E-d} G=${U-d}\nENV H=${S:+a} I=${E:+a} J=${U:+a} K=${S+a} L=${E+a} M=${U+a}\nRUN env | grep -E '^[A-M]=' | sort > /env\n"),
    Case::new("variables-trim", "FROM base:1\nENV P=/usr/local/lib/foo.tar.gz\nENV A=${P#*/} B=${P##*/} C=${P%.*} D=${P%%.*} F=${P#none} G=${P%/}\nENV H=${P/l/L} I=${P//l/L} J=${P//o?t/_} K=${P/foo.*/bar} L=${P//\\//_}\nRUN env | grep -E '^[A-L]=' | sort > /env\n"),
    Case::new("variables-nested", "FROM base:1\nARG in=inner\nENV A=${no:-${in}} B=${no:-$in.x} C=${in:+${A:-y}} D=\"q ${in}\" E='${in}' F=\\${in} G=pre${in}post H=$in$in I=\"${no:-a b}\"\n"),
    Case::new("variables-required", "FROM base:1\nARG X\nENV A=${X:?needed}\n").flags(&["--build-arg", "X=1"]),
    Case::new("variables-start-of-instruction", "FROM base:1\nENV a=old\nENV a=new b=$a\nENV c=$a\n"),
    Case::new("variables-arg-scope", "ARG G=global\nARG D=default\nFROM base:1 AS one\nARG G\nARG D=stage\nARG L=local\nRUN echo \"$G $D $L\" > /one\nFROM base:1\nRUN echo \"[$G][$D][$L]\" > /two\nCOPY --from=one /one /one\n"),
    Case::new("variables-arg-inherited", "FROM base:1 AS a\nARG X=1\nENV E=2\nFROM a AS b\nRUN echo \"$X $E\" > /x\nENV FROM_ARG=$X\n"),
    Case::new("variables-env-beats-arg", "FROM base:1\nARG X=arg\nENV X=env\nARG X=again\nRUN echo $X > /x\nENV Y=$X\n").flags(&["--build-arg", "X=flag"]),
    Case::new("variables-build-args", "ARG TAG=none\nFROM base:${TAG}\nARG A B=2 C=3\nARG D=$B$C\nRUN echo \"$A $B $C $D\" > /x\nENV A=$A D=$D\n")
        .flags(&["--build-arg", "TAG=1", "--build-arg", "A=from flag", "--build-arg", "C="]),
    Case::new("variables-arg-in-run", "FROM base:1\nARG X=1\nRUN env | grep ^X > /x\nARG Y=2\nRUN echo $X$Y > /y\n"),
    Case::new("variables-platform", "FROM base:1\nARG TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT BUILDPLATFORM BUILDOS BUILDARCH\nRUN echo \"$TARGETPLATFORM $TARGETOS $TARGETARCH [$TARGETVARIANT] $BUILDPLATFORM $BUILDOS $BUILDARCH\" > /p\n"),
    Case::new("variables-platform-in-from", "ARG TARGETOS\nFROM --platform=$BUILDPLATFORM base:1 AS linux-stage\nRUN touch /l\nFROM ${TARGETOS}-stage\nENV X=$TARGETOS\n"),
    Case::new("variables-stage-name", "FROM base:1 AS the-end\nARG TARGETSTAGE\nRUN echo $TARGETSTAGE > /s\n"),
    Case::new("variables-proxy", "FROM base:1\nRUN echo $http_proxy $HTTP_PROXY > /p\n").flags(&["--build-arg", "HTTP_PROXY=http://p:1"]),
    Case::new("variables-in-copy", "FROM base:1\nARG dir=sub owner=daemon mode=640\nENV to=/dest\nCOPY --chown=$owner --chmod=${mode} $dir/f ${to}/$dir/\n").context("mkdir sub; echo f > sub/f"),
    Case::new("variables-specials", "FROM base:1\nENV A=$1 B=$@x C=$ D=\"$\" E=${A} F=a$ G=$$ H=$-\n"),
    Case::new("variables-quotes", "FROM base:1\nENV A=\"a\\\"b\" B='a\"b' C=a\\ b D=\"a\\\\b\" E=\"a\\$b\" F=\"it's\" G=a'b'\"c\" H=\"\\n\"\n"),
    Case::new("variables-label-onbuild", "FROM parent:1\nARG V=child\n").parent("FROM base:1\nARG V=parent\nONBUILD ARG W=w\nONBUILD LABEL x=$W\nONBUILD RUN echo \"[$V][$W]\" > /x\n"),
    Case::new("variables-undefined", "FROM base:1\nENV A=$NOPE B=x${NOPE}y\nWORKDIR /w$NOPE\nLABEL l=$NOPE\n"),
    Case::new("variables-source-date-epoch", "FROM base:1\nARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > /e\nWORKDIR /w\n").flags(&["--build-arg", "SOURCE_DATE_EPOCH=1234567890"]),
];
