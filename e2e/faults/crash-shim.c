// LD_PRELOAD shim: counts, records and disturbs every call by which a process changes files below
// one directory, on any thread, so that a harness can stop the process at each of them.
//
//   FAULT_ROOT  the directory that is watched; absolute, without symbolic links
//   FAULT_ACK   a file outside it; writes to it are recorded (`ack`), never counted or disturbed
//   FAULT_LOG   record of the calls: one line a call, fields parted by tabs, see `record`
//   FAULT_DATA  when set, the record holds the bytes of every write, in hex
//   FAULT_AT    number of the call to disturb, from 1
//   FAULT_MODE  before      the process ends before the call
//               after       the process ends after the call
//               torn:N      N bytes of a write are done, then the process ends
//               short:N     a write does N bytes and says so; the process goes on
//               err:NAME    the call fails with ENOSPC, EIO, EROFS, EDQUOT, EACCES; once
//               from:NAME   this call and all later ones that need space fail with NAME
//   FAULT_READ  NAME:suffix  opening a file with that suffix for reading fails with NAME
//   FAULT_BOOT  a file that stands for /proc/sys/kernel/random/boot_id: the machine was restarted
//   FAULT_PID   the process believes that this is its pid, and
//   FAULT_STAT  this file the /proc/PID/stat of it, so that it leaves the same bytes each time
//
// The process ends by _exit(99): nothing is flushed and no handler runs, like SIGKILL, but the
// harness can tell it from a crash of its own. One mutex is held over the count, the real call and
// the record, so the record is in the order in which the file system saw the calls.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { EXIT_AT_FAULT = 99 };
enum kind { BEFORE, AFTER, TORN, SHORT, ERR, FROM };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root, *ack_path, *read_suffix, *boot_path, *stat_path, *log_path;
static int false_pid;
static char false_stat[32];
static size_t root_len;
static int log_fd = -1, with_data, count, at = -1, fault_errno, read_errno;
static enum kind kind;
static size_t limit;

static ssize_t (*real_write)(int, const void *, size_t);
static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);

static int errno_named(const char *name) {
  if (!strcmp(name, "ENOSPC")) return ENOSPC;
  if (!strcmp(name, "EROFS")) return EROFS;
  if (!strcmp(name, "EDQUOT")) return EDQUOT;
  if (!strcmp(name, "EACCES")) return EACCES;
  return EIO;
}

static void set_mode(const char *mode) {
  if (!mode || !strcmp(mode, "before")) kind = BEFORE;
  else if (!strcmp(mode, "after")) kind = AFTER;
  else if (!strncmp(mode, "torn:", 5)) { kind = TORN; limit = strtoul(mode + 5, NULL, 10); }
  else if (!strncmp(mode, "short:", 6)) { kind = SHORT; limit = strtoul(mode + 6, NULL, 10); }
  else if (!strncmp(mode, "err:", 4)) { kind = ERR; fault_errno = errno_named(mode + 4); }
  else if (!strncmp(mode, "from:", 5)) { kind = FROM; fault_errno = errno_named(mode + 5); }
}

static void open_log(void) {
  if (!log_path) return;
  int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
  if (log_fd >= 0) close(log_fd);
  log_fd = real_open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

__attribute__((constructor)) static void init(void) {
  real_write = dlsym(RTLD_NEXT, "write");
  real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  boot_path = getenv("FAULT_BOOT");
  stat_path = getenv("FAULT_STAT");
  if (stat_path && getenv("FAULT_PID")) {
    false_pid = atoi(getenv("FAULT_PID"));
    snprintf(false_stat, sizeof false_stat, "/proc/%d/stat", false_pid);
  }
  root = getenv("FAULT_ROOT");
  if (!root) return;
  root_len = strlen(root);
  ack_path = getenv("FAULT_ACK");
  with_data = getenv("FAULT_DATA") != NULL;
  if (getenv("FAULT_AT")) at = atoi(getenv("FAULT_AT"));
  set_mode(getenv("FAULT_MODE"));
  static char read_name[16];
  const char *reads = getenv("FAULT_READ"), *colon = reads ? strchr(reads, ':') : NULL;
  if (colon && (size_t)(colon - reads) < sizeof read_name) {
    memcpy(read_name, reads, colon - reads);
    read_errno = errno_named(read_name);
    read_suffix = colon + 1;
  }
  log_path = getenv("FAULT_LOG");
  open_log();
}

// A process that serves several runs says so by opening /fault/AT/DATA/MODE, which is never there.
static void arm(const char *request) {
  char *mode;
  pthread_mutex_lock(&lock);
  count = 0;
  at = strtol(request, &mode, 10);
  with_data = *mode && mode[1] == '1';
  set_mode(strlen(mode) > 3 ? mode + 3 : NULL);
  open_log();
  pthread_mutex_unlock(&lock);
}

// Writes the absolute path of `path` (relative to `dirfd`) into `out`; 0 when that cannot be told.
static int absolute(int dirfd, const char *path, char out[PATH_MAX]) {
  if (!root || !path) return 0;
  // A path that is the same for processes in different directories; see FAULTS_KEYS in vault-subject.mjs.
  static const char here[] = "/proc/self/cwd/";
  if (!strncmp(path, here, sizeof here - 1)) {
    path += sizeof here - 1;
    dirfd = AT_FDCWD;
  }
  if (path[0] == '/') return snprintf(out, PATH_MAX, "%s", path) < PATH_MAX;
  char base[PATH_MAX];
  if (dirfd == AT_FDCWD) {
    if (!getcwd(base, sizeof base)) return 0;
  } else {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", dirfd);
    ssize_t n = readlink(link, base, sizeof base - 1);
    if (n <= 0) return 0;
    base[n] = 0;
  }
  return snprintf(out, PATH_MAX, "%s/%s", base, path) < PATH_MAX;
}

static int watched(const char *path) {
  return root && !strncmp(path, root, root_len) && (path[root_len] == '/' || !path[root_len]);
}

static int watched_at(int dirfd, const char *path, char out[PATH_MAX]) {
  return absolute(dirfd, path, out) && watched(out);
}

static int fd_path(int fd, char out[PATH_MAX]) {
  if (!root) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, out, PATH_MAX - 1);
  if (n <= 0) return 0;
  out[n] = 0;
  return 1;
}

static int watched_fd(int fd, char out[PATH_MAX]) { return fd_path(fd, out) && watched(out); }

// number, operation, path, second path or "-", number (flags, mode, offset, length), result, data
static void record(int n, const char *op, const char *a, const char *b, long long number,
                   long long result, const struct iovec *data, int parts, size_t size) {
  if (log_fd < 0) return;
  char head[2 * PATH_MAX + 128];
  int head_len = snprintf(head, sizeof head, "%d\t%s\t%s\t%s\t%lld\t%lld\t", n, op, a, b ? b : "-",
                          number, result);
  size_t bytes = with_data || n == 0 ? size : 0;
  char *line = malloc(head_len + 2 * bytes + 1), *p = line + head_len;
  if (!line) _exit(98);
  memcpy(line, head, head_len);
  for (int i = 0; i < parts && bytes; i++) {
    const unsigned char *from = data[i].iov_base;
    size_t take = data[i].iov_len < bytes ? data[i].iov_len : bytes;
    for (size_t j = 0; j < take; j++) {
      *p++ = "0123456789abcdef"[from[j] >> 4];
      *p++ = "0123456789abcdef"[from[j] & 15];
    }
    bytes -= take;
  }
  *p++ = '\n';
  real_write(log_fd, line, p - line);
  free(line);
}

static void end(const char *op, const char *path) {
  record(count, "end", path, op, 0, 0, NULL, 0, 0);
  _exit(EXIT_AT_FAULT);
}

// Takes the lock and counts one call. Returns 1 when it must fail with errno; 0 when it may go on.
static int begin(const char *op, const char *path, int needs_space) {
  pthread_mutex_lock(&lock);
  count++;
  if (count == at && kind == BEFORE) end(op, path);
  int fails = (count == at && kind == ERR) || (at > 0 && count >= at && kind == FROM && needs_space);
  if (fails) {
    record(count, op, path, "failed", 0, -fault_errno, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = fault_errno;
  }
  return fails;
}

static void finish(const char *op, const char *path, const char *b, long long number, long long result,
                   const struct iovec *data, int parts) {
  int kept = errno;
  record(count, op, path, b, number, result, data, parts, result > 0 && data ? (size_t)result : 0);
  if (count == at && (kind == AFTER || kind == TORN)) end(op, path);
  pthread_mutex_unlock(&lock);
  errno = kept;
}

#define REAL(result, name, ...)                                                                    \
  static result (*real)(__VA_ARGS__);                                                              \
  if (!real) real = dlsym(RTLD_NEXT, name)

// One write of `parts` buffers at `offset`, or where the descriptor stands when that is negative.
static ssize_t do_write(const char *op, int fd, const struct iovec *data, int parts, off64_t offset,
                        const char *path) {
  if (begin(op, path, 1)) return -1;
  size_t total = 0;
  for (int i = 0; i < parts; i++) total += data[i].iov_len;
  int cut = count == at && (kind == TORN || kind == SHORT);
  size_t allowed = cut && limit < total ? limit : total;
  int appends = fcntl(fd, F_GETFL) & O_APPEND;
  struct stat st;
  off64_t where = offset >= 0 ? offset : appends && !fstat(fd, &st) ? st.st_size : lseek64(fd, 0, SEEK_CUR);
  ssize_t done = 0;
  for (int i = 0; i < parts && (size_t)done < allowed; i++) {
    size_t take = data[i].iov_len < allowed - done ? data[i].iov_len : allowed - done;
    ssize_t n = offset >= 0 ? real_pwrite(fd, data[i].iov_base, take, offset + done)
                            : real_write(fd, data[i].iov_base, take);
    if (n < 0) {
      if (done == 0) done = -1;
      break;
    }
    done += n;
    if ((size_t)n < take) break;
  }
  finish(op, path, NULL, where, done, data, parts);
  return done;
}

static int is_ack(const char *path) { return ack_path && !strcmp(path, ack_path); }

static void do_ack(const struct iovec *data, size_t size) {
  pthread_mutex_lock(&lock);
  record(0, "ack", "-", NULL, 0, (long long)size, data, 1, size);
  pthread_mutex_unlock(&lock);
}

ssize_t write(int fd, const void *buffer, size_t size) {
  char path[PATH_MAX];
  if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
  if (!fd_path(fd, path)) return real_write(fd, buffer, size);
  struct iovec data = {(void *)buffer, size};
  // Recorded only once it is there: an acknowledgement is what the caller has already seen.
  if (is_ack(path)) {
    ssize_t n = real_write(fd, buffer, size);
    if (n > 0) do_ack(&data, n);
    return n;
  }
  if (!watched(path)) return real_write(fd, buffer, size);
  return do_write("write", fd, &data, 1, -1, path);
}

ssize_t pwrite64(int fd, const void *buffer, size_t size, off64_t offset) {
  char path[PATH_MAX];
  if (!real_pwrite) real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
  if (!watched_fd(fd, path)) return real_pwrite(fd, buffer, size, offset);
  struct iovec data = {(void *)buffer, size};
  return do_write("write", fd, &data, 1, offset, path);
}
ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset) {
  return pwrite64(fd, buffer, size, offset);
}

ssize_t writev(int fd, const struct iovec *data, int parts) {
  REAL(ssize_t, "writev", int, const struct iovec *, int);
  char path[PATH_MAX];
  if (!watched_fd(fd, path)) return real(fd, data, parts);
  return do_write("write", fd, data, parts, -1, path);
}
ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t offset) {
  REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
  char path[PATH_MAX];
  if (!watched_fd(fd, path)) return real(fd, data, parts, offset);
  return do_write("write", fd, data, parts, offset, path);
}
ssize_t pwritev(int fd, const struct iovec *data, int parts, off_t offset) {
  return pwritev64(fd, data, parts, offset);
}

#define ON_FD(op, symbol, params, args, needs_space, number)                                       \
  int symbol params {                                                                              \
    REAL(int, #symbol, ON_FD_TYPES);                                                               \
    char path[PATH_MAX];                                                                           \
    if (!watched_fd(fd, path)) return real args;                                                   \
    if (begin(op, path, needs_space)) return -1;                                                   \
    int result = real args;                                                                        \
    finish(op, path, NULL, number, result, NULL, 0);                                               \
    return result;                                                                                 \
  }

#define ON_FD_TYPES int
ON_FD("fsync", fsync, (int fd), (fd), 1, 0)
ON_FD("fsync", fdatasync, (int fd), (fd), 1, 0)
#undef ON_FD_TYPES
#define ON_FD_TYPES int, off64_t
ON_FD("truncate", ftruncate, (int fd, off_t length), (fd, length), 1, length)
ON_FD("truncate", ftruncate64, (int fd, off64_t length), (fd, length), 1, length)
#undef ON_FD_TYPES
#define ON_FD_TYPES int, mode_t
ON_FD("chmod", fchmod, (int fd, mode_t mode), (fd, mode), 0, mode)

static int do_rename(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
  char a[PATH_MAX], b[PATH_MAX];
  int from_in = watched_at(from_dir, from, a), to_in = watched_at(to_dir, to, b);
  if (!from_in && !to_in) return real(from_dir, from, to_dir, to, flags);
  if (begin("rename", b, 1)) return -1;
  int result = real(from_dir, from, to_dir, to, flags);
  finish("rename", a, b, flags, result, NULL, 0);
  return result;
}
int rename(const char *from, const char *to) { return do_rename(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_dir, const char *from, int to_dir, const char *to) {
  return do_rename(from_dir, from, to_dir, to, 0);
}
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
  return do_rename(from_dir, from, to_dir, to, flags);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  REAL(int, "linkat", int, const char *, int, const char *, int);
  char a[PATH_MAX], b[PATH_MAX];
  int from_in = watched_at(from_dir, from, a), to_in = watched_at(to_dir, to, b);
  if (!from_in && !to_in) return real(from_dir, from, to_dir, to, flags);
  if (begin("link", b, 1)) return -1;
  int result = real(from_dir, from, to_dir, to, flags);
  finish("link", a, b, 0, result, NULL, 0);
  return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int dir, const char *name, int flags) {
  REAL(int, "unlinkat", int, const char *, int);
  char path[PATH_MAX];
  if (!watched_at(dir, name, path)) return real(dir, name, flags);
  const char *op = flags & AT_REMOVEDIR ? "rmdir" : "unlink";
  if (begin(op, path, 0)) return -1;
  int result = real(dir, name, flags);
  finish(op, path, NULL, 0, result, NULL, 0);
  return result;
}
int unlink(const char *name) { return unlinkat(AT_FDCWD, name, 0); }
int rmdir(const char *name) { return unlinkat(AT_FDCWD, name, AT_REMOVEDIR); }

int mkdirat(int dir, const char *name, mode_t mode) {
  REAL(int, "mkdirat", int, const char *, mode_t);
  char path[PATH_MAX];
  if (!watched_at(dir, name, path)) return real(dir, name, mode);
  if (begin("mkdir", path, 1)) return -1;
  int result = real(dir, name, mode);
  finish("mkdir", path, NULL, mode, result, NULL, 0);
  return result;
}
int mkdir(const char *name, mode_t mode) { return mkdirat(AT_FDCWD, name, mode); }

int fchmodat(int dir, const char *name, mode_t mode, int flags) {
  REAL(int, "fchmodat", int, const char *, mode_t, int);
  char path[PATH_MAX];
  if (!watched_at(dir, name, path)) return real(dir, name, mode, flags);
  if (begin("chmod", path, 0)) return -1;
  int result = real(dir, name, mode, flags);
  finish("chmod", path, NULL, mode, result, NULL, 0);
  return result;
}
int chmod(const char *name, mode_t mode) { return fchmodat(AT_FDCWD, name, mode, 0); }

pid_t getpid(void) {
  REAL(pid_t, "getpid", void);
  return false_pid ? false_pid : real();
}
int kill(pid_t pid, int number) {
  REAL(int, "kill", pid_t, int);
  static pid_t (*real_getpid)(void);
  if (!real_getpid) real_getpid = dlsym(RTLD_NEXT, "getpid");
  return real(false_pid && pid == false_pid ? real_getpid() : pid, number);
}

static int do_open(int dir, const char *name, int flags, mode_t mode) {
  REAL(int, "openat64", int, const char *, int, ...);
  char path[PATH_MAX];
  if (boot_path && name && !strcmp(name, "/proc/sys/kernel/random/boot_id")) name = boot_path;
  if (name && root && !strncmp(name, "/fault/", 7)) {
    arm(name + 7);
    errno = ENOENT;
    return -1;
  }
  if (false_pid && name && !strcmp(name, false_stat)) name = stat_path;
  if (!watched_at(dir, name, path)) return real(dir, name, flags, mode);
  int writes = flags & (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR);
  if (!writes) {
    size_t length = strlen(path), suffix = read_suffix ? strlen(read_suffix) : 0;
    if (suffix && length >= suffix && !strcmp(path + length - suffix, read_suffix)) {
      errno = read_errno;
      return -1;
    }
    return real(dir, name, flags, mode);
  }
  if (begin("open", path, (flags & O_CREAT) != 0)) return -1;
  struct stat st;
  int existed = !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW);
  int result = real(dir, name, flags, mode);
  // The number says what the call did: 1 made the file, 2 emptied it.
  int did = result < 0 ? 0 : !existed ? 1 : flags & O_TRUNC ? 2 : 0;
  finish("open", path, did == 1 ? "new" : did == 2 ? "emptied" : "-", mode & 07777, result < 0 ? -errno : 0,
         NULL, 0);
  return result;
}

#define WITH_MODE(last)                                                                            \
  va_list list;                                                                                    \
  va_start(list, last);                                                                            \
  mode_t mode = va_arg(list, unsigned);                                                            \
  va_end(list)

int open(const char *name, int flags, ...) { WITH_MODE(flags); return do_open(AT_FDCWD, name, flags, mode); }
int open64(const char *name, int flags, ...) { WITH_MODE(flags); return do_open(AT_FDCWD, name, flags, mode); }
int openat(int dir, const char *name, int flags, ...) { WITH_MODE(flags); return do_open(dir, name, flags, mode); }
int openat64(int dir, const char *name, int flags, ...) { WITH_MODE(flags); return do_open(dir, name, flags, mode); }
