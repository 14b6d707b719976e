/* A load generator that costs less than what it measures: one epoll loop, no allocation once it
 * runs. Prints one line of JSON. Built by tools/bench on first use.
 *
 *   load HOST PORT CONNECTIONS DEPTH WARMUP_S SECONDS frames|hello|resp|grpc FILE
 *
 * FILE holds requests as they go over the wire, each after its length (4 bytes, big-endian).
 * Connection i sends the requests i, i + CONNECTIONS, ... and begins again at the end of the file.
 * SECONDS 0 means each request once, and no warm-up.
 * In a request `new~` stands for newA, in the next round through the file for newB, and so on: ids
 * stay new however long it takes.
 * DEPTH requests are under way on each connection at any time; what is answered in one read is
 * followed by as many requests in one write. A reply that is an error counts as one.
 *
 * hello: frames, and the first entry of FILE opens each connection; its reply must be good.
 * grpc: the first entry of FILE opens each connection; a request is the HEADERS and the DATA frame
 * of a unary call, to which the stream's number is added here. The peer's window of 64 KiB a
 * connection is never looked at, so DEPTH requests must fit into 48 KiB.
 */
#define _GNU_SOURCE
#define PROGRAM "load"
#include "common.h"
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define IN_BYTES (4u << 20)
#define BUCKETS 4096
#define MARK "new~"
#define MARKS 2 /* at most so many in a request: its key, and the id in the task */

struct link {
    int fd;
    size_t next;           /* the next request to send, counted on from round to round */
    size_t in, out, sent;  /* bytes received; bytes to send; bytes of them sent */
    char *inbuf, *outbuf;
    size_t outcap;
    int blocked;           /* EPOLLOUT is asked for */
    uint64_t *started;     /* ring of send times by the request's number on this connection */
    unsigned asked, answered;
    int greeted;           /* the reply to the opening has come */
};

enum wire { FRAMES, HELLO, RESP, GRPC };

/* The first reply in the received bytes. */
struct reply {
    size_t length;   /* 0 if more bytes are needed */
    int is_last;     /* the frame completes an answer */
    int bad;
    unsigned number; /* the request's, where replies may overtake one another */
};

static struct entries request;
static uint32_t *marks;    /* MARKS a request: where the letter of a mark stands; 0 where none is */
static size_t connections, depth, ring;
static uint64_t buckets[BUCKETS];
static uint64_t done, answered_in_all, errors, grpc_messages;
static enum wire wire;
static int measuring, once;

/* Buckets of 16 to the octave, in microseconds: the error is at most 6 %. */
static unsigned bucket_of(uint64_t us) {
    if (us < 16) return (unsigned)us;
    unsigned octave = 63u - (unsigned)__builtin_clzll(us);
    unsigned b = (octave - 3) * 16 + (unsigned)((us >> (octave - 4)) & 15);
    return b < BUCKETS ? b : BUCKETS - 1;
}

static uint64_t us_of(unsigned bucket) {
    if (bucket < 16) return bucket;
    unsigned octave = bucket / 16 + 3;
    return (1ull << octave) + ((uint64_t)(bucket % 16) << (octave - 4));
}

static size_t frame_reply(const char *p, size_t n, int *bad) {
    if (n < 4) return 0;
    size_t length = be32(p) + 4;
    if (length > IN_BYTES) die("reply too large");
    if (n < length) return 0;
    *bad = memmem(p, length, "\"errid\":0", 9) == NULL && memmem(p, length, "\"echo\"", 6) == NULL;
    return length;
}

static size_t resp_reply(const char *p, size_t n, int *bad) {
    const char *end = memchr(p, '\n', n);
    if (!end) return 0;
    size_t line = (size_t)(end - p) + 1;
    long count = strtol(p + 1, NULL, 10);
    switch (p[0]) {
    case '-':
        *bad = 1; /* fall through */
    case '+':
    case ':':
        return line;
    case '$':
        if (count < 0) return line;
        return n < line + (size_t)count + 2 ? 0 : line + (size_t)count + 2;
    case '*':
        for (long i = 0; i < count; i++) {
            size_t part = line < n ? resp_reply(p + line, n - line, bad) : 0;
            if (!part) return 0;
            line += part;
        }
        return line;
    default:
        errno = 0;
        die("not RESP");
        return 0;
    }
}

static struct reply grpc_reply(const char *p, size_t n) {
    struct reply r = {0};
    if (n < 9) return r;
    size_t length = 9 + (be32(p) >> 8);
    if (n < length) return r;
    r.length = length;
    if (p[3] == 3 || p[3] == 7) die("the server reset a stream");
    grpc_messages += p[3] == 0;
    r.is_last = (p[3] == 0 || p[3] == 1) && (p[4] & 1);
    r.number = (be32(p + 5) & 0x7fffffff) >> 1;
    return r;
}

static struct reply next_reply(const struct link *l, const char *p, size_t n) {
    if (wire == GRPC) return grpc_reply(p, n);
    struct reply r = {.is_last = 1, .number = l->answered};
    r.length = (wire == RESP ? resp_reply : frame_reply)(p, n, &r.bad);
    return r;
}

static void put(struct link *l, const char *bytes, size_t size) {
    if (l->out + size > l->outcap) {
        l->outcap = (l->out + size) * 2;
        l->outbuf = realloc(l->outbuf, l->outcap);
        if (!l->outbuf) die("memory");
    }
    memcpy(l->outbuf + l->out, bytes, size);
    l->out += size;
}

static void find_marks(void) {
    marks = calloc(request.count * MARKS, sizeof *marks);
    if (!marks) die("memory");
    for (size_t i = 0; i < request.count; i++) {
        char *from = request.at[i], *end = from + request.size[i], *mark;
        for (int m = 0; m < MARKS; m++) {
            if (!(mark = memmem(from, (size_t)(end - from), MARK, strlen(MARK)))) break;
            from = mark + strlen(MARK);
            marks[i * MARKS + m] = (uint32_t)(from - 1 - request.at[i]);
        }
    }
}

static void ask(struct link *l, unsigned count, uint64_t now) {
    while (count-- && (!once || l->next < request.count)) {
        size_t number = l->next % request.count, turn = l->next / request.count;
        char *at = request.at[number];
        for (uint32_t *mark = marks + number * MARKS; mark < marks + (number + 1) * MARKS && *mark; mark++) {
            if (turn > 'Z' - 'A') die("the file holds too few requests");
            at[*mark] = (char)('A' + turn);
        }
        if (wire == GRPC) {
            uint32_t stream = htonl(2 * l->asked + 1);
            memcpy(at + 5, &stream, 4);
            memcpy(at + 9 + (be32(at) >> 8) + 5, &stream, 4);
        }
        put(l, at, request.size[number]);
        l->next += connections;
        l->started[l->asked++ % ring] = now;
    }
}

static void flush(int epoll, struct link *l) {
    while (l->sent < l->out) {
        ssize_t n = send(l->fd, l->outbuf + l->sent, l->out - l->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN) break;
        if (n < 0) die("send");
        l->sent += (size_t)n;
    }
    int left = l->sent < l->out;
    if (!left) l->sent = l->out = 0;
    if (left != l->blocked) {
        struct epoll_event e = {.events = EPOLLIN | (left ? EPOLLOUT : 0), .data.ptr = l};
        epoll_ctl(epoll, EPOLL_CTL_MOD, l->fd, &e);
        l->blocked = left;
    }
}

static void take(struct link *l) {
    ssize_t n = recv(l->fd, l->inbuf + l->in, IN_BYTES - l->in, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) die("the server closed a connection");
    l->in += (size_t)n;
    uint64_t now = now_ns();
    size_t at = 0;
    unsigned answered = 0;
    struct reply r;
    while (at < l->in && (r = next_reply(l, l->inbuf + at, l->in - at)).length) {
        at += r.length;
        if (!r.is_last) continue;
        if (wire == HELLO && !l->greeted) {
            if (r.bad) die("the server refused the opening");
            l->greeted = 1;
            continue;
        }
        answered++;
        answered_in_all++;
        if (measuring) {
            done++;
            errors += (uint64_t)r.bad;
            buckets[bucket_of((now - l->started[r.number % ring]) / 1000)]++;
        }
        l->answered++;
    }
    memmove(l->inbuf, l->inbuf + at, l->in - at);
    l->in -= at;
    ask(l, answered, now);
}

static uint64_t percentile(double share) {
    uint64_t wanted = (uint64_t)((double)done * share), seen = 0;
    for (unsigned b = 0; b < BUCKETS; b++)
        if ((seen += buckets[b]) > wanted) return us_of(b);
    return 0;
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: load HOST PORT CONNECTIONS DEPTH WARMUP_S SECONDS frames|hello|resp|grpc FILE\n");
        return 2;
    }
    connections = strtoul(argv[3], NULL, 10);
    depth = strtoul(argv[4], NULL, 10);
    double warmup = atof(argv[5]), seconds = atof(argv[6]);
    wire = !strcmp(argv[7], "resp") ? RESP : !strcmp(argv[7], "grpc") ? GRPC
           : !strcmp(argv[7], "hello") ? HELLO : FRAMES;
    ring = depth * 64;
    request = read_entries(argv[8]);
    char *opening = request.at[0];
    size_t opening_size = wire == GRPC || wire == HELLO ? request.size[0] : 0;
    if (opening_size) {
        request.at++;
        request.size++;
        request.count--;
    }
    find_marks();
    if (!connections || !depth || request.count < connections) die("fewer requests than connections");
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) die("host");
    int epoll = epoll_create1(0), one = 1;
    struct link *links = calloc(connections, sizeof *links);
    for (size_t i = 0; i < connections; i++) {
        struct link *l = &links[i];
        l->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(l->fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
        setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        fcntl(l->fd, F_SETFL, O_NONBLOCK);
        l->inbuf = malloc(IN_BYTES);
        l->started = calloc(ring, sizeof *l->started);
        l->next = i;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
        epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &e);
    }
    uint64_t start = now_ns(), began = start, now;
    measuring = once = seconds == 0;
    for (size_t i = 0; i < connections; i++) {
        put(&links[i], opening, opening_size);
        ask(&links[i], (unsigned)depth, start);
        flush(epoll, &links[i]);
    }
    for (;;) {
        struct epoll_event ready[256];
        int n = epoll_wait(epoll, ready, 256, 1000);
        for (int i = 0; i < n; i++) {
            struct link *l = ready[i].data.ptr;
            if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(l);
            flush(epoll, l);
        }
        now = now_ns();
        if (once && done >= request.count) break;
        if (!measuring && (double)(now - start) / 1e9 >= warmup) {
            measuring = 1;
            began = now;
        } else if (!once && measuring && (double)(now - began) / 1e9 >= seconds) {
            break;
        }
    }
    double took = (double)(now - began) / 1e9;
    /* A call that was refused has no message. */
    if (wire == GRPC && grpc_messages < answered_in_all) errors += answered_in_all - grpc_messages;
    printf("{\"requests\":%llu,\"in_all\":%llu,\"seconds\":%.3f,\"rate\":%.0f,\"errors\":%llu,"
           "\"p50_us\":%llu,\"p99_us\":%llu}\n",
           (unsigned long long)done, (unsigned long long)answered_in_all, took,
           (double)done / took, (unsigned long long)errors, (unsigned long long)percentile(0.50),
           (unsigned long long)percentile(0.99));
    return errors ? 3 : 0;
}
