/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "server/event_reader.h"

#include "base/base64url.h"
#include "registry/reference.h"
#include "server/api.h"
#include "storage/event.h"

#define TYPES_TEXT_MAX 512
#define NUMBER_MAX     20 /* digits */

/* A record is at most KV_VALUE_MAX; each of its bytes may need an escape. */
#define OUT_MAX (EVENT_READER_BYTES + 8u * KV_VALUE_MAX)

_Static_assert(EVENT_TYPE_LAST < 64, "types fit the mask");

/* As keys and signatures are written elsewhere: base64url. */
static void write_bytes(struct json_writer *w, const char *name, struct slice bytes)
{
    struct buf text;

    if (bytes.n == 0)
        return;
    buf_init(&text, BASE64URL_SIZE(bytes.n));
    base64url_encode(&text, bytes);
    api_text(w, name, buf_slice(&text));
    buf_fini(&text);
}

static void write_event(struct buf *out, const struct event *event)
{
    const char *type = event_type_name((int)event->type);
    struct json_writer w;

    json_writer_init(&w, out);
    json_object_begin(&w);
    api_u64(&w, "number", event->number);
    api_text(&w, "type", slice_from_cstr(type != NULL ? type : "unknown"));
    api_time(&w, "time", event->time_ms);
    api_text(&w, "actor", event->actor);
    api_text(&w, "repository", event->repository);
    api_text(&w, "tag", event->tag);
    api_digest(&w, "digest", &event->digest);
    api_digest(&w, "previous", &event->previous);
    api_text(&w, "mediaType", event->media_type);
    if (event->size != 0)
        api_u64(&w, "size", event->size);
    api_text(&w, "from", event->from);
    api_text(&w, "subject", event->subject);
    api_text(&w, "reason", event->reason);
    write_bytes(&w, "key", event->key);
    write_bytes(&w, "signature", event->signature);
    json_object_end(&w);
}

/* The JSON has no line breaks: one data line is enough. */
static void write_message(struct buf *out, const struct event *event)
{
    const char *type = event_type_name((int)event->type);

    buf_addf(out, "id: %llu\nevent: %s\ndata: ", (unsigned long long)event->number,
             type != NULL ? type : "unknown");
    write_event(out, event);
    buf_add(out, SLICE("\n\n"));
}

static bool is_wanted(const struct event_reader *reader, const struct event *event)
{
    if (reader->types != 0 && (event->type >= 64 || !(reader->types >> event->type & 1)))
        return false;
    return reader->repository.n == 0 || slice_eq(reader->repository, event->repository);
}

static int add_event(const struct event *event, void *arg)
{
    struct event_reader *reader = arg;

    if (reader->n == reader->limit || reader->out.n >= EVENT_READER_BYTES)
        return 1;
    reader->rows++;
    reader->last = event->number;
    if (!is_wanted(reader, event))
        return 0;
    if (reader->is_stream) {
        write_message(&reader->out, event);
    } else {
        if (reader->n > 0)
            buf_add_char(&reader->out, ',');
        write_event(&reader->out, event);
    }
    reader->n++;
    return 0;
}

int event_reader_read(struct kv_tx *tx, void *event_reader)
{
    struct event_reader *reader = event_reader;

    buf_reset(&reader->out);
    reader->n = reader->rows = 0;
    reader->last = reader->after;
    int err = event_scan(tx, reader->after, EVENT_READER_ROWS, add_event, reader);
    reader->at_end = err == 0 && reader->rows < EVENT_READER_ROWS;
    if (err < 0)
        return err;
    return reader->out.overflow ? ERR_NO_MEMORY : 0;
}

/*
 * What is asked for.
 */

static int parse_types(struct event_reader *reader, struct slice text, struct fault *fault)
{
    struct slice part;

    while (slice_split(&text, ',', &part)) {
        int type = EVENT_TYPE_LAST;
        while (type > 0 && !slice_eq(part, slice_from_cstr(event_type_name(type))))
            type--;
        if (type == 0)
            return fault_set(fault, ERR_INVALID,
                             "types: there are no events \"" SLICE_FMT
                             "\"; names look like tag.bound, several are separated by commas",
                             SLICE_ARG(slice_sub(part, 0, 64)));
        reader->types |= UINT64_C(1) << type;
    }
    return 0;
}

/* The number of an event, or "last" for the newest one there is. A reader that comes back says in
 * Last-Event-ID where it was, with the URL it began with. */
static int parse_after(struct event_reader *reader, struct request *r, struct fault *fault)
{
    struct slice text = request_field(r, SLICE("last-event-id"));
    int err = 0;

    if (!reader->is_stream || text.p == NULL || text.n == 0)
        err = api_query_text(r, "after", NUMBER_MAX, &text, fault);
    if (err != 0 || text.n == 0)
        return err;
    if (slice_eq(text, SLICE("last"))) {
        reader->after = kv_event_last(r->worker->server->store->kv);
        return 0;
    }
    if (!slice_parse_u64(text, &reader->after))
        return fault_set(fault, ERR_INVALID, "after must be the number of an event, or \"last\"");
    return 0;
}

int event_reader_init(struct event_reader *reader, struct request *r, bool is_stream,
                      struct fault *fault)
{
    struct slice types;

    *reader = (struct event_reader){.is_stream = is_stream, .limit = EVENT_READER_EVENTS};
    buf_init(&reader->out, OUT_MAX);
    int err = parse_after(reader, r, fault);
    if (err == 0)
        err = api_query_text(r, "types", TYPES_TEXT_MAX, &types, fault);
    if (err == 0)
        err = parse_types(reader, types, fault);
    if (err == 0)
        err = api_query_text(r, "repo", REPOSITORY_NAME_MAX, &reader->repository, fault);
    if (err == 0 && reader->repository.p != NULL)
        err = repository_name_check(reader->repository, fault);
    return err;
}

void event_reader_fini(struct event_reader *reader)
{
    buf_fini(&reader->out);
}
