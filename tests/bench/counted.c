/* Lets a program under callgrind say which of its instructions to count. A shared library, since a
 * client request is instructions and not a function (Valgrind manual, "Client request mechanism"). */
#include <valgrind/callgrind.h>

/* Instrument between begin and end alone: elsewhere a program runs several times faster. */
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void end(const char *what) { CALLGRIND_DUMP_STATS_AT(what); CALLGRIND_STOP_INSTRUMENTATION; }
