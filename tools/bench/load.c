/* A load generator that costs less than what it measures: one epoll loop, no allocation once it
 * runs. Prints one line of JSON. Built by tools/bench on first use.
 *
 *   load HOST PORT CONNECTIONS DEPTH WARMUP_S SECONDS frames|resp FILE
 *
 * FILE holds requests as they go over the wire, each after its length (4 bytes, big-endian).
 * Connection i sends the requests i, i + CONNECTIONS, ... and begins again at the end of the file.
 * A negative SECONDS is a number of requests: it ends after so many, and there is no warm-up.
 * DEPTH requests are under way on each connection at any time; what is answered in one read is
 * followed by as many requests in one write. A reply that is an error counts as one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define IN_BYTES (4u << 20)
#define BUCKETS 4096

struct link {
    int fd;
    size_t next;           /* index of the next request to send */
    size_t in, out, sent;  /* bytes received; bytes to send; bytes of them sent */
    char *inbuf, *outbuf;
    size_t outcap;
    int blocked;           /* EPOLLOUT is asked for */
    uint64_t *started;     /* ring of send times, one a request under way */
    unsigned head, under_way;
};

static char **request;
static uint32_t *size_of;
static size_t requests, connections, depth;
static uint64_t buckets[BUCKETS];
static uint64_t done, errors;
static int resp, measuring;

static void die(const char *what) {
    fprintf(stderr, "load: %s: %s\n", what, errno ? strerror(errno) : "bad data");
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t be32(const char *p) {
    uint32_t n;
    memcpy(&n, p, 4);
    return ntohl(n);
}

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

/* Length of the first whole reply, 0 if more bytes are needed; *bad is set for an error. */
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

static void ask(struct link *l, unsigned count, uint64_t now) {
    while (count--) {
        uint32_t size = size_of[l->next];
        if (l->out + size > l->outcap) {
            l->outcap = (l->out + size) * 2;
            l->outbuf = realloc(l->outbuf, l->outcap);
            if (!l->outbuf) die("memory");
        }
        memcpy(l->outbuf + l->out, request[l->next], size);
        l->out += size;
        l->next = (l->next + connections) % requests;
        l->started[(l->head + l->under_way++) % depth] = now;
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
    size_t at = 0, length;
    unsigned answered = 0;
    int bad = 0;
    while (at < l->in &&
           (length = (resp ? resp_reply : frame_reply)(l->inbuf + at, l->in - at, &bad))) {
        at += length;
        answered++;
        if (measuring) {
            done++;
            errors += (uint64_t)bad;
            buckets[bucket_of((now - l->started[l->head % depth]) / 1000)]++;
        }
        l->head++;
        l->under_way--;
        bad = 0;
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

static void read_requests(const char *path) {
    int fd = open(path, O_RDONLY);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) < 0) die(path);
    char *all = malloc((size_t)info.st_size + 1);
    for (off_t at = 0; at < info.st_size;) {
        ssize_t n = read(fd, all + at, (size_t)(info.st_size - at));
        if (n <= 0) die(path);
        at += n;
    }
    close(fd);
    for (off_t at = 0; at < info.st_size; at += 4 + be32(all + at)) {
        if (requests % 1024 == 0) {
            request = realloc(request, (requests + 1024) * sizeof *request);
            size_of = realloc(size_of, (requests + 1024) * sizeof *size_of);
        }
        request[requests] = all + at + 4;
        size_of[requests++] = be32(all + at);
    }
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: load HOST PORT CONNECTIONS DEPTH WARMUP_S SECONDS frames|resp FILE\n");
        return 2;
    }
    connections = strtoul(argv[3], NULL, 10);
    depth = strtoul(argv[4], NULL, 10);
    double warmup = atof(argv[5]), seconds = atof(argv[6]);
    resp = !strcmp(argv[7], "resp");
    read_requests(argv[8]);
    if (!connections || !depth || requests < connections) die("fewer requests than connections");
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
        l->started = calloc(depth, sizeof *l->started);
        l->next = i;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
        epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &e);
    }
    uint64_t start = now_ns(), began = start, now;
    if (seconds < 0) measuring = 1;
    for (size_t i = 0; i < connections; i++) {
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
        if (seconds < 0 && done >= (uint64_t)-seconds) break;
        if (!measuring && (double)(now - start) / 1e9 >= warmup) {
            measuring = 1;
            began = now;
        } else if (seconds > 0 && measuring && (double)(now - began) / 1e9 >= seconds) {
            break;
        }
    }
    double took = (double)(now - began) / 1e9;
    printf("{\"requests\":%llu,\"seconds\":%.3f,\"rate\":%.0f,\"errors\":%llu,\"p50_us\":%llu,"
           "\"p99_us\":%llu}\n",
           (unsigned long long)done, took, (double)done / took, (unsigned long long)errors,
           (unsigned long long)percentile(0.50), (unsigned long long)percentile(0.99));
    return errors ? 3 : 0;
}
