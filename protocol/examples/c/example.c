/* example.c - a little TaskDash client: run a task, find, query, watch; and judge golden vectors.
 *
 * `vectors` reads lines of hex, each the bytes of a stream, and answers each with one line: what
 * the decoder says about every frame in it, joined by " | ".
 *
 *   ok MESSAGEID HEADERHEX BODYHEX KIND   the header's MessagePack and the body's text in hex; a
 *                                         body may be `nil` or `empty`. KIND is `object` where the
 *                                         body is one JSON object, or nil, and else `other`
 *   malformed                             a frame that is no message; the next may be one
 *   fatal                                 an impossible length; nothing behind it is looked at
 *   partial                               a frame is not whole, or the line is empty
 */
#define _POSIX_C_SOURCE 200809L

#include "taskdash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int usage(void)
{
    fputs("usage: taskdash-example HOST PORT run ID NAME SECONDS\n"
          "       taskdash-example HOST PORT find ID\n"
          "       taskdash-example HOST PORT query FIELD=VALUE\n"
          "       taskdash-example HOST PORT watch [SINCE]\n"
          "       taskdash-example vectors [FILE]\n", stderr);
    return 2;
}

/* An argument that must be a number of 0 or more. */
static double number(const char *text)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end != '\0' || !(n >= 0 && n < 1e15))
        exit(usage());
    return n;
}

/* A line break in JSON is white space, never part of a string: so one object stays one line. */
static void print_json(struct td_view json)
{
    for (size_t i = 0; i < json.len; i++)
        putchar(json.at[i] < ' ' ? ' ' : json.at[i]);
}

/* --- Commands: where one is false, client->error says why ----------------------------------- */

static bool run(struct td_client *client, char **args)
{
    int64_t length = (int64_t)(number(args[2]) * 1000), start = td_now(), done;
    struct td_view reply, value;
    double epoch = 1;

    if (!td_call(client, &reply, "Register", "{'id':%s,'name':%s,'status':'running'}", args[0],
                 args[1]))
        return false;
    if (td_json_get(reply, "epoch", &value))
        td_json_number(value, &epoch);
    do {
        int64_t rest = start + length - td_now();
        if (!td_wait(client, td_now() + (rest < 1000 ? rest : 1000))) /* The work would be here. */
            return false;
        done = td_now() - start;
        /* With the epoch, nothing that we write can undo the work of a successor. */
        if (!td_call(client, &reply, "Update", "{'id':%s,'status':%s,'progress':%d,'epoch':%d}",
                     args[0], done < length ? "running" : "finish",
                     done < length ? 100 * done / length : (int64_t)100, (int64_t)epoch))
            return false;
    } while (done < length);
    return true;
}

static bool find(struct td_client *client, char **args)
{
    struct td_view task, key, value;
    const char *before = "{";

    if (!td_call(client, &task, "Find", "{'id':%s}", args[0]))
        return false;
    while (td_json_next(&task, &key, &value)) {
        char name[16];
        td_json_string(key, name, sizeof name);
        if (strcmp(name, "errid") == 0 || strcmp(name, "errmsg") == 0)
            continue; /* They are the reply's. */
        fputs(before, stdout);
        print_json(key);
        putchar(':');
        print_json(value);
        before = ",";
    }
    puts(before[0] == '{' ? "{}" : "}");
    return true;
}

static bool query(struct td_client *client, char **args)
{
    static const unsigned char null[] = "null";
    struct td_view reply, tasks, task, next = {null, 4};
    char *equals = strchr(args[0], '=');

    if (equals == NULL)
        exit(usage());
    *equals = '\0';
    do {
        /* The cursor is opaque and goes back as it came. It lives until the request is sent. */
        if (!td_call(client, &reply, "Query", "{'where':{%s:%s},'after':%j}", args[0], equals + 1,
                     next))
            return false;
        if (td_json_get(reply, "tasks", &tasks))
            while (td_json_next(&tasks, NULL, &task)) {
                print_json(task);
                putchar('\n');
            }
    } while (td_json_get(reply, "next", &next) && next.at[0] == '"');
    return true;
}

static void print_event(void *rev, struct td_view event)
{
    struct td_view value;
    if (td_json_get(event, "rev", &value))
        td_json_number(value, rev);
    print_json(event);
    putchar('\n');
    fflush(stdout);
}

static bool watch(struct td_client *client, char **args)
{
    struct td_view reply, value;
    double rev = 0;

    client->on_event = print_event;
    client->context = &rev;
    if (!(args[0] == NULL
              ? td_call(client, &reply, "Watch", "{}")
              : td_call(client, &reply, "Watch", "{'since':%d}", (int64_t)number(args[0]))))
        return false;
    if (rev == 0 && td_json_get(reply, "rev", &value)) /* An event may have been before it. */
        td_json_number(value, &rev);
    fprintf(stderr, "watching from rev %.0f\n", rev);
    while (td_wait(client, INT64_MAX))
        ;
    fprintf(stderr, "resume with: watch %.0f\n", rev);
    return false;
}

/* --- Vectors ------------------------------------------------------------------------------ */

static void print_hex(struct td_view bytes)
{
    fputs(bytes.at == NULL ? " nil" : bytes.len == 0 ? " empty" : " ", stdout);
    for (size_t i = 0; i < bytes.len; i++)
        printf("%02x", bytes.at[i]);
}

static void judge(struct td_view bytes)
{
    static const char *const words[] = {"ok", "partial", "malformed", "fatal"};
    enum td_verdict verdict;
    do {
        struct td_frame frame = {0};
        verdict = td_decode(bytes, TD_DEFAULT_LIMIT, &frame);
        fputs(words[verdict], stdout);
        if (verdict == TD_OK) {
            printf(" %lld", (long long)frame.message_id);
            print_hex(frame.header);
            print_hex(frame.body);
            fputs(frame.body.at == NULL || td_json_is_object(frame.body) ? " object" : " other",
                  stdout);
        }
        bytes.at += frame.size;
        bytes.len -= frame.size;
        fputs(bytes.len > 0 && frame.size > 0 ? " | " : "\n", stdout);
    } while (bytes.len > 0 && (verdict == TD_OK || verdict == TD_MALFORMED));
}

static int vectors(const char *path)
{
    FILE *in = path == NULL ? stdin : fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    bool good = in != NULL;
    while (good && getline(&line, &room, in) >= 0) {
        size_t n = strspn(line, "0123456789abcdefABCDEF") / 2;
        /* A block of its own and no longer than needed: so a tool sees a read past its end. */
        unsigned char *bytes = malloc(n > 0 ? n : 1);
        good = bytes != NULL && strchr("\r\n", line[2 * n]) != NULL;
        for (size_t i = 0; good && i < n; i++) {
            char digits[3] = {line[2 * i], line[2 * i + 1], '\0'};
            bytes[i] = (unsigned char)strtoul(digits, NULL, 16);
        }
        if (good)
            judge((struct td_view){bytes, n});
        free(bytes);
    }
    if (!good)
        fprintf(stderr, "taskdash-example: %s\n", in == NULL ? "no such file" : "a line is no hex");
    free(line);
    if (in != NULL)
        fclose(in);
    return good && fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int least, most; /* arguments */
        bool (*run)(struct td_client *client, char **args);
    } commands[] = {
        {"run", 3, 3, run}, {"find", 1, 1, find}, {"query", 1, 1, query}, {"watch", 0, 1, watch},
    };
    if (argc >= 2 && argc <= 3 && strcmp(argv[1], "vectors") == 0)
        return vectors(argv[2]);
    for (size_t i = 0; argc >= 4 && i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(argv[3], commands[i].name) != 0 || argc - 4 < commands[i].least ||
            argc - 4 > commands[i].most)
            continue;
        struct td_client client;
        bool good = td_open(&client, argv[1], argv[2], "taskdash-example/1.0") &&
                    commands[i].run(&client, argv + 4);
        if (!good) {
            const struct td_error *e = &client.error;
            fputs("taskdash-example: ", stderr);
            if (e->errid != 0)
                fprintf(stderr, "%.0f ", e->errid);
            if (e->errmsg[0] != '\0')
                fprintf(stderr, "%s: ", e->errmsg);
            fprintf(stderr, "%s\n", e->detail);
        }
        td_close(&client);
        return good && fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
    }
    return usage();
}
