/* Lets a program under callgrind say which of its instructions to count: a shared library, for the
 * requests are instructions and not functions (Valgrind manual, "Client request mechanism"). */
#include <valgrind/callgrind.h>

void begin(void) { CALLGRIND_ZERO_STATS; }
void end(const char *what) { CALLGRIND_DUMP_STATS_AT(what); }
