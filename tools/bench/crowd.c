/* A crowd of connections that mostly listen: it opens them, lets each beat now and then, and counts
 * what arrives. Commands on stdin, one line of JSON on stdout for each. Built by tools/bench.
 *
 *   crowd HOST PORT CONNECTIONS BEAT_EVERY_S OPENINGS BEATS
 *
 * OPENINGS and BEATS hold bytes as they go over the wire, each entry after its length (4 bytes,
 * big-endian); connection i uses entry i modulo their number. Once every connection is open and
 * has been answered, it prints {"open":N}. BEAT_EVERY_S 0 means never. A line on stdin prints and
 * resets the counters; the end of stdin ends the program.
 *
 * An event is counted, in whatever protocol, by the mark @@ with 19 digits in it: the nanoseconds
 * of CLOCK_MONOTONIC at which it was caused.
 */
#define _GNU_SOURCE
#define PROGRAM "crowd"
#include "common.h"
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define MARK 21
#define SAMPLES (8u << 20)

struct link {
    int fd, answered;
    unsigned kept;
    char tail[MARK];
};

static char buffer[MARK + (256 << 10)];
static uint32_t *delay_us;
static uint64_t events, beats, bytes, closed;

static void say(struct link *l, const struct entries *e, size_t number) {
    size_t i = number % e->count;
    /* The bytes are few and the peer reads: a socket that does not take all of them is a fault. */
    if (send(l->fd, e->at[i], e->size[i], MSG_NOSIGNAL) != (ssize_t)e->size[i]) die("send");
}

static void count(struct link *l, size_t size, uint64_t now) {
    char *at = buffer, *end = buffer + size, *mark;
    while ((mark = memmem(at, (size_t)(end - at), "@@", 2)) && end - mark >= MARK) {
        char digits[20] = {0};
        memcpy(digits, mark + 2, 19);
        uint64_t delay = (now - strtoull(digits, NULL, 10)) / 1000;
        if (events < SAMPLES) delay_us[events] = delay > UINT32_MAX ? UINT32_MAX : (uint32_t)delay;
        events++;
        at = mark + MARK;
    }
    if (!mark && end > at && end[-1] == '@') mark = end - 1;
    l->kept = mark ? (unsigned)(end - mark) : 0;
    if (mark) memcpy(l->tail, mark, l->kept);
}

static void take(int epoll, struct link *l) {
    memcpy(buffer, l->tail, l->kept);
    ssize_t n = recv(l->fd, buffer + l->kept, sizeof buffer - l->kept, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) {
        closed++;
        epoll_ctl(epoll, EPOLL_CTL_DEL, l->fd, NULL);
        return;
    }
    l->answered = 1;
    bytes += (uint64_t)n;
    count(l, l->kept + (size_t)n, now_ns());
}

static int by_size(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void report(void) {
    uint64_t n = events < SAMPLES ? events : SAMPLES;
    qsort(delay_us, n, sizeof *delay_us, by_size);
    printf("{\"events\":%llu,\"beats\":%llu,\"bytes\":%llu,\"closed\":%llu", (unsigned long long)events,
           (unsigned long long)beats, (unsigned long long)bytes, (unsigned long long)closed);
    if (n)
        printf(",\"p50_us\":%u,\"p99_us\":%u,\"max_us\":%u", delay_us[n / 2], delay_us[n * 99 / 100],
               delay_us[n - 1]);
    printf("}\n");
    fflush(stdout);
    events = beats = bytes = 0;
}

static void open_link(struct link *l, const struct sockaddr_in *to, int epoll) {
    int one = 1;
    l->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (l->fd < 0 || connect(l->fd, (const struct sockaddr *)to, sizeof *to) < 0) die("connect");
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(l->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = l};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &e) < 0) die("epoll");
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: crowd HOST PORT CONNECTIONS BEAT_EVERY_S OPENINGS BEATS\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    size_t size = strtoul(argv[3], NULL, 10), opened = 0;
    double every = atof(argv[4]);
    struct entries openings = read_entries(argv[5]), beat = read_entries(argv[6]);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || !size) die("host");
    delay_us = malloc(SAMPLES * sizeof *delay_us);
    struct link *links = calloc(size, sizeof *links);
    int epoll = epoll_create1(0);
    struct epoll_event in = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &in);
    uint64_t began = 0, due = 0;
    int said = 0;
    for (;;) {
        /* Open a few at a time, so that no backlog overflows; events are read meanwhile. */
        for (int i = 0; i < 16 && opened < size; i++, opened++) {
            open_link(&links[opened], &to, epoll);
            say(&links[opened], &openings, opened);
        }
        struct epoll_event ready[256];
        /* Do not sleep between beats: a peer that answers would wake us for each, and one that does
         * not would be sent as many at once as came due meanwhile, which costs it far less. */
        int n = epoll_wait(epoll, ready, 256, opened < size ? 1 : every > 0 ? 0 : 2);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr) {
                take(epoll, ready[i].data.ptr);
                continue;
            }
            char line[64];
            if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
            report();
        }
        if (opened < size) continue;
        if (!said) {
            size_t answered = 0;
            for (size_t i = 0; i < size; i++) answered += (size_t)links[i].answered;
            if (answered < size && !closed) continue;
            printf("{\"open\":%zu}\n", answered);
            fflush(stdout);
            said = 1;
            began = now_ns();
        }
        while (every > 0 && (double)(now_ns() - began) / 1e9 * (double)size / every > (double)due) {
            say(&links[due % size], &beat, due % size);
            due++;
            beats++;
        }
    }
}
