/* Shared by both load generators. A program defines PROGRAM before it includes this header. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Bytes as they go over the wire, one request or opening each. */
struct entries {
    size_t count;
    char **at;
    uint32_t *size;
};

static void die(const char *what) {
    fprintf(stderr, PROGRAM ": %s: %s\n", what, errno ? strerror(errno) : "bad data");
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

/* Reads a file of entries, each after its length (4 bytes, big-endian). */
static struct entries read_entries(const char *path) {
    struct entries e = {0};
    struct stat info;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &info) < 0) die(path);
    char *all = malloc((size_t)info.st_size + 1);
    for (off_t at = 0; at < info.st_size;) {
        ssize_t n = read(fd, all + at, (size_t)(info.st_size - at));
        if (n <= 0) die(path);
        at += n;
    }
    close(fd);
    for (off_t at = 0; at < info.st_size; at += 4 + be32(all + at)) {
        if (e.count % 1024 == 0) {
            e.at = realloc(e.at, (e.count + 1024) * sizeof *e.at);
            e.size = realloc(e.size, (e.count + 1024) * sizeof *e.size);
        }
        e.at[e.count] = all + at + 4;
        e.size[e.count++] = be32(all + at);
    }
    if (!e.count) die(path);
    return e;
}
