/* taskdash.c - the TaskDash protocol in C11 and POSIX; taskdash.h says how to use it.
 *
 * From the bottom up: bytes, MessagePack, frames, JSON, the connection. Nothing that the peer sends
 * is trusted: whatever is read is read through a td_view, which knows its end; nothing recurses
 * deeper than JSON_DEPTH; no length above the limit is believed.
 */
#define _POSIX_C_SOURCE 200809L

#include "taskdash.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    ENTRIES = 32,        /* of a header, and of each array and map in it */
    JSON_DEPTH = 64,     /* a task has up to 32 levels, and lies inside of a reply */
    CONNECT_MS = 10000,
    REPLY_MS = 30000,    /* the slowest operation, a Query, has 10 s */
    LONGEST = 1 << 26,   /* the daemon may send frames longer than it takes: this is our bound */
};

/* --- Bytes -------------------------------------------------------------------------------- */

static void drop(struct td_view *in, size_t n)
{
    in->at += n;
    in->len -= n;
}

static int peek(const struct td_view *in)
{
    return in->len > 0 ? in->at[0] : -1;
}

static bool eat(struct td_view *in, char c)
{
    if (peek(in) != (unsigned char)c)
        return false;
    drop(in, 1);
    return true;
}

static struct td_view since(const unsigned char *start, const struct td_view *in)
{
    return (struct td_view){start, (size_t)(in->at - start)};
}

static uint64_t big_endian(const unsigned char *at, size_t width)
{
    uint64_t n = 0;
    for (size_t i = 0; i < width; i++)
        n = n << 8 | at[i];
    return n;
}

/* The length of the UTF-8 character that `in` starts with, or 0. */
static size_t utf8_char(const struct td_view *in)
{
    const unsigned char *p = in->at;
    if (in->len == 0 || p[0] < 0x80)
        return in->len > 0;
    size_t n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] < 0xc2 || p[0] > 0xf4 || in->len < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* Longer than need be, a surrogate, or beyond U+10FFFF. */
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* --- MessagePack -------------------------------------------------------------------------- */

enum kind { NONE, NIL, BOOL, UINT, INT, FLOAT, STR, BIN, ARRAY, MAP };

struct item {
    enum kind kind;      /* UINT is given as INT */
    int64_t number;      /* the value of an INT; the length of a STR, BIN, ARRAY or MAP */
    struct td_view text; /* of a STR or BIN */
};

/* Reads a scalar, or the head of an array or map. */
static bool mp_read(struct td_view *in, struct item *item)
{
    /* From 0xc0 on: the kind, and how many bytes of number follow. NONE is for what is refused. */
    static const struct { unsigned char kind, width; } types[32] = {
        {NIL, 0},  {NONE, 0}, {BOOL, 0},  {BOOL, 0},  {BIN, 1},   {BIN, 2},   {BIN, 4},  {NONE, 0},
        {NONE, 0}, {NONE, 0}, {FLOAT, 4}, {FLOAT, 8}, {UINT, 1},  {UINT, 2},  {UINT, 4}, {UINT, 8},
        {INT, 1},  {INT, 2},  {INT, 4},   {INT, 8},   {NONE, 0},  {NONE, 0},  {NONE, 0}, {NONE, 0},
        {NONE, 0}, {STR, 1},  {STR, 2},   {STR, 4},   {ARRAY, 2}, {ARRAY, 4}, {MAP, 2},  {MAP, 4},
    };
    int c = peek(in);
    if (c < 0)
        return false;
    drop(in, 1);
    if (c < 0x80 || c >= 0xe0) {
        *item = (struct item){.kind = INT, .number = c < 0x80 ? c : c - 0x100};
    } else if (c < 0xa0) {
        *item = (struct item){.kind = c < 0x90 ? MAP : ARRAY, .number = c & 0x0f};
    } else if (c < 0xc0) {
        *item = (struct item){.kind = STR, .number = c & 0x1f};
    } else {
        size_t width = types[c - 0xc0].width;
        *item = (struct item){.kind = types[c - 0xc0].kind};
        if (in->len < width)
            return false;
        uint64_t n = big_endian(in->at, width), sign = (uint64_t)1 << (width ? 8 * width - 1 : 0);
        drop(in, width);
        if (item->kind == INT && (n & sign))
            item->number = -(int64_t)(~n & (sign - 1)) - 1;
        else
            item->number = n < INT64_MAX ? (int64_t)n : INT64_MAX;
        if (item->kind == UINT)
            item->kind = INT;
    }
    if (item->kind == STR || item->kind == BIN) {
        if ((uint64_t)item->number > in->len)
            return false;
        item->text = (struct td_view){in->at, (size_t)item->number};
        drop(in, item->text.len);
    }
    struct td_view rest = item->text;
    for (size_t n; item->kind == STR && rest.len > 0; drop(&rest, n))
        if ((n = utf8_char(&rest)) == 0)
            return false;
    return item->kind != NONE;
}

/* Skips a value with all that is in it: counts what is still to come, instead of recursing. */
static bool mp_skip(struct td_view *in)
{
    struct item item;
    for (uint64_t left = 1; left > 0; left--) {
        if (!mp_read(in, &item))
            return false;
        if (item.kind == ARRAY || item.kind == MAP) {
            if (item.number > ENTRIES)
                return false;
            left += (uint64_t)item.number * (item.kind == MAP ? 2 : 1);
        }
    }
    return true;
}

/* --- Frames ------------------------------------------------------------------------------- */

enum td_verdict td_decode(struct td_view bytes, size_t limit, struct td_frame *frame)
{
    if (bytes.len < 4)
        return TD_PARTIAL;
    size_t length = (size_t)big_endian(bytes.at, 4);
    /* Judged before a further byte is awaited, or memory taken for it. */
    if (length == 0 || length > limit)
        return TD_FATAL;
    if (bytes.len - 4 < length)
        return TD_PARTIAL;
    *frame = (struct td_frame){.size = 4 + length};
    struct td_view in = {bytes.at + 4, length};
    struct item item;
    if (!mp_read(&in, &item) || item.kind != ARRAY || item.number != 3 || !mp_read(&in, &item) ||
        item.kind != INT)
        return TD_MALFORMED;
    frame->message_id = item.number;
    frame->header.at = in.at;
    if (!mp_read(&in, &item) || (item.kind != NIL && item.kind != MAP) || item.number > ENTRIES)
        return TD_MALFORMED;
    for (int64_t entries = item.number; entries > 0; entries--)
        if (!mp_read(&in, &item) || item.kind != STR || !mp_skip(&in))
            return TD_MALFORMED;
    frame->header = since(frame->header.at, &in);
    if (!mp_read(&in, &item) || (item.kind != NIL && item.kind != STR && item.kind != BIN))
        return TD_MALFORMED;
    frame->body = item.text; /* of nil, there is none */
    return in.len == 0 ? TD_OK : TD_MALFORMED;
}

/* Looks in the header, which td_decode has judged. */
static bool header_get(const struct td_frame *frame, const char *key, struct item *value)
{
    struct td_view in = frame->header, here;
    struct item item;
    bool found = false;
    mp_read(&in, &item);
    for (int64_t entries = item.number; entries > 0; entries--, mp_skip(&in)) {
        mp_read(&in, &item);
        here = in;
        if (item.text.len == strlen(key) && memcmp(item.text.at, key, item.text.len) == 0)
            found = mp_read(&here, value);
    }
    return found;
}

/* --- Reading JSON ------------------------------------------------------------------------- */

/* Always true, so that it can stand in a chain of conditions. */
static bool json_space(struct td_view *in)
{
    while (eat(in, ' ') || eat(in, '\t') || eat(in, '\n') || eat(in, '\r'))
        ;
    return true;
}

/* Reads \uXXXX. */
static bool json_unit(struct td_view *in, uint32_t *unit)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    if (in->len < 6 || in->at[0] != '\\' || in->at[1] != 'u')
        return false;
    *unit = 0;
    for (int i = 2; i < 6; i++) {
        const char *digit = memchr(digits, in->at[i], 22);
        if (digit == NULL)
            return false;
        *unit = *unit * 16 + (uint32_t)(digit - digits - (digit - digits < 16 ? 0 : 6));
    }
    drop(in, 6);
    return true;
}

/* Reads an escape. Gives it as UTF-8, and how many bytes that is, or 0. */
static size_t json_escape(struct td_view *in, unsigned char out[4])
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *simple = in->len < 2 ? NULL : memchr(from, in->at[1], 8);
    uint32_t code, low;
    if (simple != NULL) {
        out[0] = (unsigned char)to[simple - from];
        drop(in, 2);
        return 1;
    }
    if (!json_unit(in, &code) || (code >= 0xdc00 && code < 0xe000))
        return 0;
    if (code >= 0xd800 && code < 0xdc00) { /* half of a pair */
        if (!json_unit(in, &low) || low < 0xdc00 || low >= 0xe000)
            return 0;
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    size_t n = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (unsigned char)(0x80 | (code & 0x3f));
    out[0] = (unsigned char)((n > 1 ? 0xf00 >> n & 0xff : 0) | code);
    return n;
}

/* Reads a string; writes what fits of it to `out`, and its whole length to `total`. */
static bool json_string(struct td_view *in, char *out, size_t size, size_t *total)
{
    *total = 0;
    if (!eat(in, '"'))
        return false;
    while (!eat(in, '"')) {
        unsigned char utf8[4];
        size_t n;
        if (peek(in) == '\\') {
            n = json_escape(in, utf8);
        } else if (peek(in) >= ' ' && (n = utf8_char(in)) > 0) {
            memcpy(utf8, in->at, n);
            drop(in, n);
        } else {
            return false;
        }
        if (n == 0)
            return false;
        if (*total + n < size)
            memcpy(out + *total, utf8, n);
        *total += n;
    }
    return true;
}

static bool json_digits(struct td_view *in)
{
    size_t before = in->len;
    while (peek(in) >= '0' && peek(in) <= '9')
        drop(in, 1);
    return in->len < before;
}

/* How large it is, td_json_number judges; of those that nobody reads it does not matter. */
static bool json_number(struct td_view *in)
{
    eat(in, '-');
    if ((!eat(in, '0') && !json_digits(in)) || (eat(in, '.') && !json_digits(in)))
        return false;
    if (!eat(in, 'e') && !eat(in, 'E'))
        return true;
    if (!eat(in, '+'))
        eat(in, '-');
    return json_digits(in);
}

static bool json_word(struct td_view *in, const char *word)
{
    while (*word != '\0' && eat(in, *word))
        word++;
    return *word == '\0';
}

static bool json_value(struct td_view *in, int depth)
{
    size_t length;
    int c = peek(in);
    switch (c) {
    case '"': return json_string(in, NULL, 0, &length);
    case 't': return json_word(in, "true");
    case 'f': return json_word(in, "false");
    case 'n': return json_word(in, "null");
    default: return json_number(in);
    case '{':
    case '[':
        drop(in, 1);
        if (depth == 0)
            return false;
        if (json_space(in) && eat(in, c == '{' ? '}' : ']'))
            return true;
        do {
            json_space(in);
            if (c == '{' && !(json_string(in, NULL, 0, &length) && json_space(in) &&
                              eat(in, ':') && json_space(in)))
                return false;
            if (!json_value(in, depth - 1))
                return false;
        } while (json_space(in) && eat(in, ','));
        return eat(in, c == '{' ? '}' : ']');
    }
}

bool td_json_is_object(struct td_view text)
{
    json_space(&text);
    return peek(&text) == '{' && json_value(&text, JSON_DEPTH) && json_space(&text) &&
           text.len == 0;
}

bool td_json_next(struct td_view *rest, struct td_view *key, struct td_view *value)
{
    size_t length;
    json_space(rest);
    /* Behind a value there is a comma or the end, so a bracket can only be the very beginning. */
    if (!eat(rest, ',') && !eat(rest, key != NULL ? '{' : '['))
        return false;
    json_space(rest);
    const unsigned char *start = rest->at;
    if (key != NULL) {
        if (!json_string(rest, NULL, 0, &length))
            return false;
        *key = since(start, rest);
        if (!json_space(rest) || !eat(rest, ':') || !json_space(rest))
            return false;
        start = rest->at;
    }
    if (!json_value(rest, JSON_DEPTH))
        return false;
    *value = since(start, rest);
    return true;
}

bool td_json_get(struct td_view object, const char *name, struct td_view *value)
{
    struct td_view key, each;
    char text[64];
    bool found = false;
    while (td_json_next(&object, &key, &each))
        if (td_json_string(key, text, sizeof text) == (ptrdiff_t)strlen(name) &&
            memcmp(text, name, strlen(name)) == 0) {
            *value = each;
            found = true;
        }
    return found;
}

bool td_json_number(struct td_view value, double *number)
{
    char text[64];
    struct td_view in = value;
    if (value.len >= sizeof text || !json_number(&in) || in.len > 0)
        return false;
    memcpy(text, value.at, value.len);
    text[value.len] = '\0'; /* strtod wants an end */
    *number = strtod(text, NULL);
    return isfinite(*number);
}

ptrdiff_t td_json_string(struct td_view value, char *out, size_t size)
{
    size_t total;
    memset(out, 0, size);
    return json_string(&value, out, size, &total) ? (ptrdiff_t)total : -1;
}

/* --- Writing JSON ------------------------------------------------------------------------- */

static void write_quoted(FILE *to, const char *text)
{
    fputc('"', to);
    for (; *text != '\0'; text++)
        if (*text == '"' || *text == '\\' || (unsigned char)*text < 0x20)
            fprintf(to, "\\u%04x", (unsigned)*text);
        else
            fputc(*text, to);
    fputc('"', to);
}

/* taskdash.h, at td_call, says what the format means. */
static void write_json(FILE *to, const char *format, va_list arguments)
{
    for (; *format != '\0'; format++) {
        if (*format == '\'') {
            fputc('"', to);
        } else if (*format != '%') {
            fputc(*format, to);
        } else if (*++format == 's') {
            write_quoted(to, va_arg(arguments, const char *));
        } else if (*format == 'd') {
            fprintf(to, "%lld", (long long)va_arg(arguments, int64_t));
        } else {
            struct td_view json = va_arg(arguments, struct td_view);
            fwrite(json.at, 1, json.len, to);
        }
    }
}

/* --- A connection ------------------------------------------------------------------------- */

/* OVER is false, so that a function may return what over() returns. */
enum outcome { OVER, CAME, NOT_YET };

int64_t td_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool fault(struct td_client *c, const char *why)
{
    c->error = (struct td_error){0};
    snprintf(c->error.detail, sizeof c->error.detail, "%s", why);
    return false;
}

/* Ends the connection. */
static bool over(struct td_client *c, const char *why)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    return fault(c, why);
}

/* A text for people: no control character in it may play with their terminal. */
static void copy_text(struct td_view object, const char *name, char *out, size_t size)
{
    struct td_view value;
    if (!td_json_get(object, name, &value) || td_json_string(value, out, size) < 0)
        return;
    for (; *out != '\0'; out++)
        if ((unsigned char)*out < 0x20 || *out == 0x7f)
            *out = '?';
}

static bool daemon_error(struct td_client *c, struct td_view body)
{
    struct td_view value;
    c->error = (struct td_error){0};
    if (td_json_get(body, "errid", &value))
        td_json_number(value, &c->error.errid);
    copy_text(body, "errmsg", c->error.errmsg, sizeof c->error.errmsg);
    copy_text(body, "detail", c->error.detail, sizeof c->error.detail);
    return false;
}

/* Waits until the socket is ready or the time has come. */
static void wait_for(struct td_client *c, short events, int64_t until)
{
    struct pollfd p = {.fd = c->fd, .events = events};
    int64_t ms = until - td_now();
    poll(&p, 1, ms < 0 ? 0 : ms > INT_MAX ? INT_MAX : (int)ms);
}

static bool send_all(struct td_client *c, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    int64_t until = td_now() + c->patience;
    if (c->asked_at == INT64_MAX)
        c->asked_at = td_now(); /* From here on the daemon owes us an answer. */
    while (n > 0) {
        ssize_t sent = send(c->fd, at, n, MSG_NOSIGNAL);
        if (sent >= 0) {
            at += sent;
            n -= (size_t)sent;
            until = td_now() + c->patience;
        } else if (errno == EAGAIN) {
            if (td_now() >= until)
                return over(c, "the daemon takes no more bytes");
            wait_for(c, POLLOUT, until);
        } else if (errno != EINTR) {
            return true; /* Broken. Reading will tell so, and finds the Bye that came before. */
        }
    }
    return true;
}

/* Takes what the socket has, without waiting. */
static enum outcome receive(struct td_client *c)
{
    size_t have = c->end - c->start, most = 4 + LONGEST;
    if (c->start > 0)
        memmove(c->in, c->in + c->start, have);
    c->start = 0;
    c->end = have;
    if (have == c->room) { /* It grows with what has come, not with what a length claims. */
        size_t room = c->room * 2 < most ? c->room * 2 : most;
        unsigned char *in = realloc(c->in, room);
        if (in == NULL)
            return over(c, "out of memory");
        c->in = in;
        c->room = room;
    }
    ssize_t n = recv(c->fd, c->in + c->end, c->room - c->end, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return NOT_YET;
    if (n <= 0)
        return over(c, n == 0 ? "the daemon closed the connection" : strerror(errno));
    c->end += (size_t)n;
    c->asked_at = INT64_MAX;
    return CAME;
}

static bool take_event(struct td_client *c, const struct td_frame *frame)
{
    struct item item;
    if (header_get(frame, "Bye", &item)) {
        over(c, "");
        if (td_json_is_object(frame->body))
            daemon_error(c, frame->body);
        snprintf(c->error.errmsg, sizeof c->error.errmsg, "the daemon says goodbye");
        return false;
    }
    if (!header_get(frame, "Watch", &item))
        return true; /* an event that came into the protocol after this was written */
    if (!td_json_is_object(frame->body))
        return over(c, "the daemon sent an event that is no JSON object");
    if (c->on_event != NULL)
        c->on_event(c->context, frame->body);
    return true;
}

/* Waits for a reply until the given time; beats, and deals with whatever else comes. */
static enum outcome next_reply(struct td_client *c, int64_t until, struct td_frame *frame)
{
    /* With a Seq, so that the daemon answers: only so does a dead network come to light. */
    static const unsigned char beat[] = "\0\0\0\x0b\x93\xcd\x05\x70\x81\xa3" "Seq\xc3\xc0";
    while (c->fd >= 0) {
        struct td_view received = {c->in + c->start, c->end - c->start};
        switch (td_decode(received, LONGEST, frame)) {
        case TD_OK:
            c->start += frame->size;
            if (frame->message_id == TD_MESSAGE)
                return CAME;
            if (frame->message_id == TD_EVENT && !take_event(c, frame))
                return OVER;
            continue; /* A heartbeat's echo has done its work: receive() has noted it. */
        case TD_PARTIAL: break;
        case TD_MALFORMED: return over(c, "the daemon sent a malformed frame");
        case TD_FATAL: return over(c, "the daemon sent an impossible length");
        }
        enum outcome got = receive(c);
        if (got == OVER)
            return OVER;
        int64_t now = td_now();
        if (now >= c->next_beat) {
            c->next_beat = now + c->beat_every;
            if (!send_all(c, beat, sizeof beat - 1))
                return OVER;
        }
        if (now >= until)
            return NOT_YET;
        if (got == CAME)
            continue;
        int64_t silent = c->asked_at == INT64_MAX ? INT64_MAX : c->asked_at + c->patience;
        if (now >= silent)
            return over(c, "the daemon gives no sign of life");
        int64_t next = until < c->next_beat ? until : c->next_beat;
        wait_for(c, POLLIN, next < silent ? next : silent);
    }
    return fault(c, "not connected");
}

static bool judge_reply(struct td_client *c, struct td_view body)
{
    struct td_view value;
    double errid;
    if (!td_json_is_object(body) || !td_json_get(body, "errid", &value) ||
        !td_json_number(value, &errid))
        return over(c, "the daemon sent a reply that is no JSON object with an errid");
    return errid == 0 || daemon_error(c, body);
}

bool td_wait(struct td_client *c, int64_t until)
{
    struct td_frame frame;
    enum outcome got = next_reply(c, until, &frame);
    if (got != CAME)
        return got == NOT_YET;
    /* Nobody asked: so it is the daemon's word about the connection, and an error. */
    return judge_reply(c, frame.body) ? over(c, "the daemon sent a reply unasked") : false;
}

static void put_uint32(unsigned char **to, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *(*to)++ = (unsigned char)(value >> shift);
}

static void put_bytes(unsigned char **to, const char *bytes, size_t n)
{
    memcpy(*to, bytes, n);
    *to += n;
}

static bool send_request(struct td_client *c, const char *operation, const char *body,
                         size_t length)
{
    unsigned char head[64], *to = head;
    size_t name = strlen(operation);
    if (c->fd < 0)
        return fault(c, "not connected");
    if (name > 31 || length > c->limit - sizeof head)
        return fault(c, "the request is too long");
    /* Any integer and any bin may be written in its widest form, so there is but one to write. */
    put_uint32(&to, (uint32_t)(28 + name + length));
    put_bytes(&to, "\x93\x02\x82\xa9" "RequestID", 13);
    *to++ = (unsigned char)(0xa0 | name);
    put_bytes(&to, operation, name);
    put_bytes(&to, "\xa3" "Seq\xce", 5);
    put_uint32(&to, ++c->seq);
    *to++ = 0xc6;
    put_uint32(&to, (uint32_t)length);
    return send_all(c, head, (size_t)(to - head)) && send_all(c, body, length);
}

bool td_call(struct td_client *c, struct td_view *reply, const char *operation,
             const char *format, ...)
{
    char *body = NULL;
    size_t length = 0;
    struct td_frame frame;
    struct item item;
    va_list arguments;
    FILE *to = open_memstream(&body, &length);
    if (to == NULL)
        return fault(c, "out of memory");
    va_start(arguments, format);
    write_json(to, format, arguments);
    va_end(arguments);
    bool sent = fclose(to) == 0 ? send_request(c, operation, body, length)
                                : fault(c, "out of memory");
    free(body);
    if (!sent)
        return false;
    enum outcome got = next_reply(c, td_now() + REPLY_MS, &frame);
    if (got != CAME)
        return got == NOT_YET ? over(c, "the daemon gave no reply") : false;
    /* Without a Seq it is about a frame that the daemon could not read, or the connection. */
    if (header_get(&frame, "Seq", &item) && (item.kind != INT || item.number != c->seq))
        return over(c, "the daemon sent a reply out of its order");
    *reply = frame.body;
    return judge_reply(c, frame.body);
}

static bool connect_to(struct td_client *c, const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int failed = getaddrinfo(host, port, &hints, &list), error = 0, on = 1;
    if (failed != 0)
        return fault(c, gai_strerror(failed));
    for (struct addrinfo *a = list; a != NULL && c->fd < 0; a = a->ai_next) {
        socklen_t size = sizeof error;
        c->fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
        if (c->fd < 0) {
            error = errno;
            continue;
        }
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        error = connect(c->fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
        if (error == EINPROGRESS) {
            struct pollfd p = {.fd = c->fd, .events = POLLOUT};
            error = ETIMEDOUT;
            if (poll(&p, 1, CONNECT_MS) > 0)
                getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        }
        if (error != 0)
            over(c, "");
    }
    freeaddrinfo(list);
    return c->fd >= 0 || fault(c, strerror(error));
}

/* A member that is a number, kept within bounds that make sense here. */
static bool bounded(struct td_view reply, const char *name, double least, double most, double *n)
{
    struct td_view value;
    if (!td_json_get(reply, name, &value) || !td_json_number(value, n))
        return false;
    *n = *n < least ? least : *n > most ? most : *n;
    return true;
}

bool td_open(struct td_client *c, const char *host, const char *port, const char *name)
{
    struct td_view reply;
    double interval, timeout, max_frame;
    *c = (struct td_client){
        .fd = -1, .room = 16384, .limit = TD_DEFAULT_LIMIT, .beat_every = CONNECT_MS,
        .patience = CONNECT_MS, .asked_at = INT64_MAX, .next_beat = td_now() + CONNECT_MS,
    };
    c->in = malloc(c->room);
    if (c->in == NULL)
        return fault(c, "out of memory");
    if (!connect_to(c, host, port) ||
        !td_call(c, &reply, "Hello", "{'protocol':1,'client':%s}", name))
        return false;
    if (!bounded(reply, "heartbeat_interval", 0.05, 86400, &interval) ||
        !bounded(reply, "heartbeat_timeout", 2 * interval, 2 * 86400, &timeout) ||
        !bounded(reply, "max_frame", 1024, UINT32_MAX, &max_frame))
        return over(c, "the reply to Hello lacks what a client must know");
    c->beat_every = (int64_t)(interval * 1000);
    c->next_beat = td_now() + c->beat_every;
    c->patience = (int64_t)(timeout * 1000); /* The daemon may be silent as long as we may. */
    c->limit = (size_t)max_frame;
    return true;
}

void td_close(struct td_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    *c = (struct td_client){.fd = -1};
}
