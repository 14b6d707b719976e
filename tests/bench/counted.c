/* Lets a program under callgrind say which of its instructions to count: a shared library, for the
 * requests are instructions and not functions (Valgrind manual, "Client request mechanism"). */
#include <valgrind/callgrind.h>

/* Nothing is counted in between: a program runs several times faster then. */
void begin(void) { CALLGRIND_START_INSTRUMENTATION; CALLGRIND_ZERO_STATS; }
void end(const char *what) { CALLGRIND_DUMP_STATS_AT(what); CALLGRIND_STOP_INSTRUMENTATION; }
