/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "base/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Formatted aside first: callers add context with fault_set(f, code, "...: %s", f->text). */
static void set_text(struct fault *fault, int code, int sys, const char *format, va_list args)
    __attribute__((format(printf, 4, 0)));

static void set_text(struct fault *fault, int code, int sys, const char *format, va_list args)
{
    char text[FAULT_TEXT_MAX];

    if (vsnprintf(text, sizeof(text), format, args) < 0)
        text[0] = '\0';
    memcpy(fault->text, text, strlen(text) + 1);
    fault->code = code;
    fault->sys = sys;
}

int fault_set(struct fault *fault, int code, const char *format, ...)
{
    va_list args;

    if (!fault)
        return code;
    va_start(args, format);
    set_text(fault, code, 0, format, args);
    va_end(args);
    return code;
}

static void append(struct fault *fault, const char *text)
{
    size_t used = strlen(fault->text);

    for (size_t i = 0; text[i] != '\0' && used + 1 < sizeof(fault->text); i++)
        fault->text[used++] = text[i];
    fault->text[used] = '\0';
}

int fault_set_errno(struct fault *fault, int sys, const char *format, ...)
{
    int code = err_from_errno(sys);
    char reason[128];
    va_list args;

    if (!fault)
        return code;
    va_start(args, format);
    set_text(fault, code, sys, format, args);
    va_end(args);
    append(fault, ": ");
    append(fault, strerror_r(sys, reason, sizeof(reason))); /* the GNU one returns the text */
    return code;
}

const char *fault_text(const struct fault *fault, int code)
{
    return fault && fault->text[0] ? fault->text : err_text(code);
}
