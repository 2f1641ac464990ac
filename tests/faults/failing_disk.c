/* A disk that fails once: preloaded, it counts calls of fdatasync, fsync and pwrite on files of a database,
 * and lets the one that was asked for fail, or end its process. See test_failing_disk.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <unistd.h>

enum { SYNC = 1, WRITE = 2 };
static atomic_int armed, nth, error_number, syncs, writes, struck;

/* From now on the n-th call of `what` fails with `error`; 0: the process is killed instead. */
void disk_arm(int what, int n, int error)
{
    syncs = writes = struck = 0;
    nth = n;
    error_number = error;
    armed = what;
}

int disk_syncs(void) { return syncs; }
int disk_writes(void) { return writes; }
int disk_struck(void) { return struck; }

static int strikes(int what, atomic_int *count)
{
    int at = ++*count;
    /* A full disk stays full; an error of a sync comes once. */
    if (armed != what || at < nth || (at > nth && error_number != ENOSPC))
        return 0;
    struck++;
    if (error_number == 0)
        kill(getpid(), SIGKILL);
    errno = error_number;
    return 1;
}

int fdatasync(int descriptor)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return strikes(SYNC, &syncs) ? -1 : real(descriptor);
}

int fsync(int descriptor)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return strikes(SYNC, &syncs) ? -1 : real(descriptor);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return strikes(WRITE, &writes) ? -1 : real(descriptor, data, size, at);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return strikes(WRITE, &writes) ? -1 : real(descriptor, data, size, at);
}
