dnl SPDX-License-Identifier: Apache-2.0

dnl TIDEMARK_TRY_FLAGS(VARIABLE, FLAGS): append to VARIABLE each of FLAGS that compiler and linker
dnl both take without a word, so that one configure serves gcc and clang of several ages.
AC_DEFUN([TIDEMARK_TRY_FLAGS], [
  for tidemark_flag in m4_normalize([$2]); do
    AC_MSG_CHECKING([whether $CC takes $tidemark_flag])
    tidemark_saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $tidemark_flag"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[return puts("") < 0;]])],
      [AC_MSG_RESULT([yes])
       $1="$$1 $tidemark_flag"],
      [AC_MSG_RESULT([no])])
    CFLAGS=$tidemark_saved_CFLAGS
  done
])

dnl TIDEMARK_LIBRARY(NAME, PKG-CONFIG SPEC, HEADER, LIBRARY, FUNCTION, IF-MISSING): sets NAME_CFLAGS
dnl and NAME_LIBS from pkg-config, or from header and library where no .pc file is installed.
AC_DEFUN([TIDEMARK_LIBRARY], [
  PKG_CHECK_MODULES([$1], [$2], [], [
    AC_CHECK_HEADER([$3],
      [AC_CHECK_LIB([$4], [$5], [$1_LIBS=-l$4], [$6])],
      [$6])
  ])
])

dnl TIDEMARK_LLHTTP: Debian 13 has the library; Debian 12 ships only its C source and header, in
dnl node-llhttp. Sets LLHTTP_CPPFLAGS, LLHTTP_LIBS, LLHTTP_SOURCE_DIR (empty with the library)
dnl and tidemark_llhttp, a line for the summary.
AC_DEFUN([TIDEMARK_LLHTTP], [
  AC_ARG_WITH([llhttp-source],
    [AS_HELP_STRING([--with-llhttp-source=DIR],
      [build llhttp from DIR/{api,http,llhttp}.c @<:@the library, else /usr/share/llhttp@:>@])],
    [], [with_llhttp_source=auto])
  AC_ARG_VAR([LLHTTP_INCLUDE_DIR], [folder of llhttp.h, when built from source])
  LLHTTP_SOURCE_DIR=
  LLHTTP_CPPFLAGS=
  LLHTTP_LIBS=
  tidemark_llhttp=
  AS_IF([test "$with_llhttp_source" = auto || test "$with_llhttp_source" = no], [
    AC_CHECK_HEADER([llhttp.h],
      [AC_CHECK_LIB([llhttp], [llhttp_execute],
        [LLHTTP_LIBS=-lllhttp
         tidemark_llhttp="library"])])
  ])
  AS_IF([test -z "$tidemark_llhttp" && test "$with_llhttp_source" != no], [
    AS_CASE([$with_llhttp_source],
      [auto | yes], [LLHTTP_SOURCE_DIR=/usr/share/llhttp],
      [LLHTTP_SOURCE_DIR=$with_llhttp_source])
    AC_MSG_CHECKING([for the source of llhttp])
    AS_IF([test -z "$LLHTTP_INCLUDE_DIR"], [
      for tidemark_dir in /usr/share/include/llhttp "$LLHTTP_SOURCE_DIR" \
                          "$LLHTTP_SOURCE_DIR/../include" /usr/include; do
        AS_IF([test -z "$LLHTTP_INCLUDE_DIR" && test -r "$tidemark_dir/llhttp.h"],
          [LLHTTP_INCLUDE_DIR=$tidemark_dir])
      done
    ])
    AS_IF([test -r "$LLHTTP_SOURCE_DIR/api.c" && test -r "$LLHTTP_SOURCE_DIR/http.c" &&
           test -r "$LLHTTP_SOURCE_DIR/llhttp.c" && test -r "$LLHTTP_INCLUDE_DIR/llhttp.h"],
      [AC_MSG_RESULT([$LLHTTP_SOURCE_DIR])
       LLHTTP_CPPFLAGS="-isystem $LLHTTP_INCLUDE_DIR -DLLHTTP_STRICT_MODE=1"
       tidemark_llhttp="source in $LLHTTP_SOURCE_DIR, strict mode"],
      [AC_MSG_RESULT([no])])
  ])
  AS_IF([test -z "$tidemark_llhttp"],
    [AC_MSG_ERROR([llhttp is missing: install libllhttp-dev (Debian 13) or node-llhttp (Debian 12),
  or point --with-llhttp-source at its C source])])
  AM_CONDITIONAL([LLHTTP_FROM_SOURCE], [test -n "$LLHTTP_SOURCE_DIR"])
  AC_SUBST([LLHTTP_SOURCE_DIR])
  AC_SUBST([LLHTTP_CPPFLAGS])
  AC_SUBST([LLHTTP_LIBS])
])
