/* taskdash.h - a client of the TaskDash protocol, version 1 (see PROTOCOL.md), in C11 and POSIX.
 *
 * One connection, one request at a time. Whatever waits, waits in poll() and sends the heartbeat
 * when it is due. Functions that return bool return false on failure; `client.error` then says why,
 * and `client.fd` is -1 if the connection is over.
 */
#ifndef TASKDASH_H
#define TASKDASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest frame that a daemon with default settings takes. */
#define TD_DEFAULT_LIMIT ((size_t)1 << 20)

/* Bytes that belong to somebody else; no NUL ends them. */
struct td_view {
    const unsigned char *at;
    size_t len;
};

/* --- Frames ------------------------------------------------------------------------------- */

enum td_verdict {
    TD_OK,
    TD_PARTIAL,   /* more bytes are needed */
    TD_MALFORMED, /* `size` bytes are no message; the stream goes on behind them */
    TD_FATAL      /* an impossible length; nothing behind it means anything */
};

enum { TD_MESSAGE = 2, TD_EVENT = 3, TD_HEARTBEAT = 1392 };

struct td_frame {
    size_t size;        /* with the length field */
    int64_t message_id; /* a number beyond int64 is given as INT64_MAX; none such means anything */
    struct td_view header; /* MessagePack: nil, or a map whose keys are str */
    struct td_view body;   /* text, not yet judged; `at` is NULL for nil */
};

/* Decodes the first frame of `bytes`. What it finds points into them. */
enum td_verdict td_decode(struct td_view bytes, size_t limit, struct td_frame *frame);

/* --- Reading JSON ------------------------------------------------------------------------- */

/* Is it one JSON object, and nothing else? The functions below take only what passed here. */
bool td_json_is_object(struct td_view text);

/* Steps through an object, or with `key` NULL through an array: `rest` starts as its text. */
bool td_json_next(struct td_view *rest, struct td_view *key, struct td_view *value);

/* The raw text of a member; the last, if it is there more than once. */
bool td_json_get(struct td_view object, const char *name, struct td_view *value);

/* Exact up to 2^53, which no rev or epoch will reach. */
bool td_json_number(struct td_view value, double *number);

/* The decoded length of a string, or -1; writes what fits, cut between characters, and a NUL. */
ptrdiff_t td_json_string(struct td_view value, char *out, size_t size);

/* --- A connection ------------------------------------------------------------------------- */

struct td_error {
    double errid; /* the daemon's; 0 where the fault was found on this side */
    char errmsg[64];
    char detail[512];
};

struct td_client {
    int fd;
    unsigned char *in; /* what was received: the bytes from start to end */
    size_t start, end, room;
    size_t limit;                  /* of the length of a frame that the daemon takes */
    uint32_t seq;                  /* of the last request */
    int64_t beat_every, next_beat; /* ms */
    int64_t patience, asked_at;    /* ms; INT64_MAX: the daemon owes us no sign of life */
    void (*on_event)(void *context, struct td_view body); /* must call no td_ function of c */
    void *context;
    struct td_error error;
};

/* Milliseconds of a clock that nobody sets. */
int64_t td_now(void);

/* Connects and says Hello. In any case, td_close frees what it took. */
bool td_open(struct td_client *client, const char *host, const char *port, const char *name);
void td_close(struct td_client *client);

/* One request and its reply, which lives until the next call; false also for an errid. The format
 * is the body: ' stands for a quotation mark, %s for a const char * as a JSON string, %d for an
 * int64_t, %j for a struct td_view that is JSON already. */
bool td_call(struct td_client *client, struct td_view *reply, const char *operation,
             const char *format, ...);

/* Beats, and hands over events, until td_now() reaches `until`. */
bool td_wait(struct td_client *client, int64_t until);

#endif
