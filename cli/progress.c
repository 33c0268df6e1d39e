/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"
#include "cli/progress.h"

#include "base/buf.h"
#include "base/clock.h"
#include "cli/text.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define APPEAR_AFTER_MS 500
#define DRAW_EVERY_MS   100
#define BAR_MAX         30
#define BAR_MIN         8
#define NAME_MIN        12
#define COLUMNS_DEFAULT 80
#define COLUMNS_MAX     200 /* so that a line of wide characters fits PROGRESS_LINE_MAX */

void progress_begin(struct progress *p, bool is_wanted, const char *verb, struct slice name,
                    uint64_t first, uint64_t total)
{
    *p = (struct progress){
        .is_on = is_wanted && isatty(STDERR_FILENO),
        .verb = verb,
        .name = name,
        .total = total,
        .first = first,
        .begun_ms = clock_mono_ms(),
    };
}

static unsigned percent_of(uint64_t done, uint64_t total)
{
    if (total == 0 || done >= total)
        return 100;
    return (unsigned)((double)done * 100.0 / (double)total);
}

/* "  45%  1.2 GiB of 2.6 GiB  110 MiB/s  0:12" */
static void add_numbers(struct buf *out, const struct progress *p, uint64_t done, uint64_t now_ms)
{
    uint64_t took_ms = now_ms > p->begun_ms ? now_ms - p->begun_ms : 0;
    uint64_t moved = done > p->first ? done - p->first : 0;
    char size[TEXT_SIZE_MAX];
    double rate = took_ms > 0 ? (double)moved * 1000.0 / (double)took_ms : 0;

    buf_addf(out, "  %3u%%", percent_of(done, p->total));
    text_size(done, size);
    buf_addf(out, "  %s", size);
    text_size(p->total, size);
    buf_addf(out, " of %s", size);
    if (rate < 1)
        return;
    text_size((uint64_t)rate, size);
    buf_addf(out, "  %s/s", size);
    if (done < p->total) {
        double left = (double)(p->total - done) / rate;
        unsigned seconds = left < 360000 ? (unsigned)(left + 0.999) : 360000;

        buf_addf(out, "  %u:%02u", seconds / 60, seconds % 60);
    }
}

/* The last characters of a name say more than its first: "...ist/app-1.2.3.tar.gz". */
static void add_name(struct buf *out, struct slice name, size_t room)
{
    struct buf clean;

    buf_init(&clean, 64 * 1024);
    text_clean(&clean, name);
    struct slice rest = buf_slice(&clean);
    size_t width = text_width(rest);
    if (width > room && room > 3) {
        buf_add(out, SLICE("..."));
        while (rest.n > 0 && width > room - 3) {
            rest = slice_sub(rest, 1, SIZE_MAX);
            width = text_width(rest);
            /* Not into the middle of a character. */
            while (rest.n > 0 && ((unsigned char)rest.p[0] & 0xc0) == 0x80)
                rest = slice_sub(rest, 1, SIZE_MAX);
        }
    }
    buf_add(out, rest);
    buf_fini(&clean);
}

static void add_bar(struct buf *out, size_t width, uint64_t done, uint64_t total)
{
    size_t full = width * percent_of(done, total) / 100;

    buf_add(out, SLICE("  ["));
    for (size_t i = 0; i < width; i++)
        buf_add_char(out, i < full ? '=' : i == full ? '>' : ' ');
    buf_add_char(out, ']');
}

size_t progress_format(char out[PROGRESS_LINE_MAX], const struct progress *p, uint64_t done,
                       uint64_t now_ms, unsigned columns)
{
    struct buf line, numbers;
    size_t room, name_width, bar = 0;

    if (columns > COLUMNS_MAX)
        columns = COLUMNS_MAX;
    buf_init(&line, PROGRESS_LINE_MAX - 1);
    buf_init(&numbers, PROGRESS_LINE_MAX - 1);
    add_numbers(&numbers, p, done, now_ms);
    buf_addf(&line, "%s ", p->verb);
    room = columns > line.n + numbers.n ? columns - line.n - numbers.n : 0;
    name_width = text_width(p->name);
    if (room >= NAME_MIN + BAR_MIN + 4) {
        size_t for_name = name_width > NAME_MIN ? name_width : NAME_MIN;

        if (for_name > room - BAR_MIN - 4)
            for_name = room - BAR_MIN - 4;
        bar = room - for_name - 4;
        if (bar > BAR_MAX)
            bar = BAR_MAX;
        room = for_name;
    }
    add_name(&line, p->name, room);
    if (bar > 0)
        add_bar(&line, bar, done, p->total);
    /* Without room for both, the numbers stand alone and are cut. */
    if (room < 4) {
        buf_reset(&line);
        buf_add(&line, slice_sub(buf_slice(&numbers), 2, columns));
    } else {
        buf_add(&line, buf_slice(&numbers));
    }
    size_t n = line.n;
    if (n > 0)
        memcpy(out, line.p, n);
    out[n] = '\0';
    buf_fini(&numbers);
    buf_fini(&line);
    return n;
}

static unsigned terminal_columns(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}

void progress_update(struct progress *p, uint64_t done)
{
    uint64_t now = clock_mono_ms();
    char line[PROGRESS_LINE_MAX];

    if (!p->is_on || now - p->begun_ms < APPEAR_AFTER_MS ||
        (p->drawn_ms != 0 && now - p->drawn_ms < DRAW_EVERY_MS))
        return;
    p->drawn_ms = now;
    /* One column is left free: a full line makes some terminals go to the next. */
    progress_format(line, p, done, now, terminal_columns() - 1);
    fprintf(stderr, "\r%s\033[K", line);
    fflush(stderr);
}

void progress_end(struct progress *p)
{
    if (p->is_on && p->drawn_ms != 0) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    p->is_on = false;
}
