/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DESIGN: the calendar is computed here because gmtime_r takes the C library's time zone lock on
 * every call and strftime follows the locale; log lines and Date fields are in every thread's path.
 */
#include "config.h"
#include "base/clock.h"

#include <string.h>
#include <time.h>

#define MS_PER_DAY INT64_C(86400000)

/* Years 0000 to 9999, what both formats can say. */
#define WALL_MS_FIRST INT64_C(-62167219200000)
#define WALL_MS_LAST  INT64_C(253402300799999)

struct civil {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second, ms;
    int weekday; /* 0 is Sunday */
};

uint64_t clock_mono_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

uint64_t clock_coarse_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t clock_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * The Gregorian calendar repeats every 146,097 days (400 years). Counting years from 1 March puts
 * the leap day last, which makes month lengths follow one formula: 153 days every 5 months.
 */
static void set_date(struct civil *civil, int days_since_1970)
{
    int days = days_since_1970 + 719468 + 146097; /* since 1 March of year -400: never negative */
    int era = days / 146097;
    int day_of_era = days % 146097;
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int month = (5 * day_of_year + 2) / 153; /* 0 is March */

    civil->day = day_of_year - (153 * month + 2) / 5 + 1;
    civil->month = month < 10 ? month + 3 : month - 9;
    civil->year = year_of_era + (era - 1) * 400 + (civil->month <= 2);
    civil->weekday = (days + 3) % 7; /* 1 March of year -400 was a Wednesday */
}

static void civil_from_wall(int64_t wall_ms, struct civil *civil)
{
    int64_t days;
    int rest;

    if (wall_ms < WALL_MS_FIRST)
        wall_ms = WALL_MS_FIRST;
    if (wall_ms > WALL_MS_LAST)
        wall_ms = WALL_MS_LAST;
    days = wall_ms / MS_PER_DAY - (wall_ms % MS_PER_DAY < 0); /* rounded down */
    rest = (int)(wall_ms - days * MS_PER_DAY);
    set_date(civil, (int)days);
    civil->ms = rest % 1000;
    civil->second = rest / 1000 % 60;
    civil->minute = rest / 60000 % 60;
    civil->hour = rest / 3600000;
}

/* Exactly `width` digits, then `end`; returns where to go on. */
static char *put(char *out, int value, int width, char end)
{
    for (int i = width - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    out[width] = end;
    return out + width + 1;
}

static char *put_text(char *out, const char *text, size_t n, char end)
{
    memcpy(out, text, n);
    out[n] = end;
    return out + n + 1;
}

void clock_format_rfc3339(int64_t wall_ms, char out[CLOCK_RFC3339_MAX])
{
    struct civil civil;

    civil_from_wall(wall_ms, &civil);
    out = put(out, civil.year, 4, '-');
    out = put(out, civil.month, 2, '-');
    out = put(out, civil.day, 2, 'T');
    out = put(out, civil.hour, 2, ':');
    out = put(out, civil.minute, 2, ':');
    out = put(out, civil.second, 2, '.');
    out = put(out, civil.ms, 3, 'Z');
    *out = '\0';
}

void clock_format_http(int64_t wall_ms, char out[CLOCK_HTTP_MAX])
{
    static const char weekdays[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct civil civil;

    civil_from_wall(wall_ms, &civil);
    out = put_text(out, weekdays + 3 * civil.weekday, 3, ',');
    *out++ = ' ';
    out = put(out, civil.day, 2, ' ');
    out = put_text(out, months + 3 * (civil.month - 1), 3, ' ');
    out = put(out, civil.year, 4, ' ');
    out = put(out, civil.hour, 2, ':');
    out = put(out, civil.minute, 2, ':');
    out = put(out, civil.second, 2, ' ');
    put_text(out, "GMT", 3, '\0');
}
