/* A disk that fails once: preloaded, it counts calls of fdatasync, fsync and pwrite on files of a database,
 * and lets the one that was asked for fail, or end its process. Where SEGUE_FAILING_DISK names a file, all
 * processes that map it count together, and whoever else maps it arms it. See test_failing_disk.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { SYNC = 1, WRITE = 2 };
struct disk {
    atomic_int armed, nth, error_number, syncs, writes, struck; /* in this order for who maps it, too */
};
static struct disk own, *disk = &own;

__attribute__((constructor)) static void share(void)
{
    const char *path = getenv("SEGUE_FAILING_DISK");
    int descriptor = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (descriptor < 0)
        return;
    void *shared = mmap(NULL, sizeof *disk, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (shared != MAP_FAILED)
        disk = shared;
}

/* From now on the n-th call of `what` fails with `error`; 0: the process is killed instead. */
void disk_arm(int what, int n, int error)
{
    disk->syncs = disk->writes = disk->struck = 0;
    disk->nth = n;
    disk->error_number = error;
    disk->armed = what;
}

int disk_syncs(void) { return disk->syncs; }
int disk_writes(void) { return disk->writes; }
int disk_struck(void) { return disk->struck; }

static int strikes(int what, atomic_int *count)
{
    int at = ++*count;
    /* A full disk stays full; an error of a sync comes once. */
    if (disk->armed != what || at < disk->nth || (at > disk->nth && disk->error_number != ENOSPC))
        return 0;
    disk->struck++;
    if (disk->error_number == 0)
        kill(getpid(), SIGKILL);
    errno = disk->error_number;
    return 1;
}

int fdatasync(int descriptor)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return strikes(SYNC, &disk->syncs) ? -1 : real(descriptor);
}

int fsync(int descriptor)
{
    static int (*real)(int);
    if (!real)
        real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return strikes(SYNC, &disk->syncs) ? -1 : real(descriptor);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    return strikes(WRITE, &disk->writes) ? -1 : real(descriptor, data, size, at);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (!real)
        real = (ssize_t(*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite");
    return strikes(WRITE, &disk->writes) ? -1 : real(descriptor, data, size, at);
}
