/* The cheapest server there can be: a fixed reply to each frame, unread. The rate that the
 * load generator reaches against it is the load generator's own ceiling. Prints its port. Built by
 * tools/bench.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINKS 4096
#define REPLIES 512
#define KEEP (256 << 10)

static const char reply[] = "\0\0\0\x0b{\"errid\":0}";
static char out[REPLIES * (sizeof reply - 1)], in[LINKS][KEEP];
static size_t have[LINKS];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void answer(int fd) {
    ssize_t n = recv(fd, in[fd] + have[fd], KEEP - have[fd], 0);
    if (n <= 0) {
        close(fd);
        have[fd] = 0;
        return;
    }
    size_t size = have[fd] + (size_t)n, at = 0, count = 0;
    uint32_t length;
    while (size - at >= 4 && (memcpy(&length, in[fd] + at, 4), size - at - 4 >= ntohl(length))) {
        at += 4 + ntohl(length);
        count++;
    }
    have[fd] = size - at;
    memmove(in[fd], in[fd] + at, have[fd]);
    while (count) {
        size_t some = count < REPLIES ? count : REPLIES, bytes = some * (sizeof reply - 1);
        if (send(fd, out, bytes, MSG_NOSIGNAL) != (ssize_t)bytes) die("send");
        count -= some;
    }
}

int main(void) {
    for (size_t i = 0; i < REPLIES; i++) memcpy(out + i * (sizeof reply - 1), reply, sizeof reply - 1);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof here;
    int listener = socket(AF_INET, SOCK_STREAM, 0), epoll = epoll_create1(0), one = 1;
    if (bind(listener, (struct sockaddr *)&here, size) < 0 || listen(listener, 512) < 0) die("listen");
    getsockname(listener, (struct sockaddr *)&here, &size);
    printf("%d\n", ntohs(here.sin_port));
    fflush(stdout);
    struct epoll_event e = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        struct epoll_event ready[256];
        int n = epoll_wait(epoll, ready, 256, -1);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.fd != listener) {
                answer(ready[i].data.fd);
                continue;
            }
            int fd = accept(listener, NULL, NULL);
            if (fd < 0 || fd >= LINKS) die("accept");
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            e.data.fd = fd;
            epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
        }
    }
}
