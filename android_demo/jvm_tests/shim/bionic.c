/* Android's C library as the TensorFlow Lite runtime of the AAR sees it, on top of glibc: for tests on a desktop JVM.
 *
 * The runtime asks libc.so, libm.so, libdl.so and liblog.so for symbols of the version LIBC. Most mean the same in
 * glibc and are forwarded by one jump; the rest differ in constants, signature or layout and are written out here.
 * x86_64 and glibc 2.34 or newer. Nothing of this goes into the app.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What Android's headers reserve for these; glibc writes into that room. */
static_assert(sizeof(pthread_mutex_t) <= 40, "mutex");
static_assert(sizeof(pthread_cond_t) <= 48, "cond");
static_assert(sizeof(pthread_rwlock_t) <= 56, "rwlock");

/* The version is not the default one, so that the jump's own target stays glibc's. */
#define VERSIONED(symbol, name) __asm__(".symver " symbol "," name "@LIBC");
#define FORWARD(name)                                                         \
  __asm__(".text\n.globl to_" #name "\n.type to_" #name ",@function\n"        \
          "to_" #name ": jmp *" #name "@GOTPCREL(%rip)\n"                     \
          ".symver to_" #name "," #name "@LIBC");
#include "forwards.h"

int *bionic_errno(void) { return &errno; }
VERSIONED("bionic_errno", "__errno")

size_t bionic_strlen_chk(const char *text, size_t room) {
  size_t length = strlen(text);
  if (length >= room) abort();
  return length;
}
VERSIONED("bionic_strlen_chk", "__strlen_chk")

/* The GNU form returns the text, the POSIX form (glibc: __xpg) an error number. */
int __xpg_strerror_r(int number, char *buffer, size_t size);
int bionic_strerror_r(int number, char *buffer, size_t size) { return __xpg_strerror_r(number, buffer, size); }
VERSIONED("bionic_strerror_r", "strerror_r")

long bionic_sysconf(int name) {
  switch (name) {
    case 0x27: case 0x28: return sysconf(_SC_PAGESIZE);
    case 0x60: return sysconf(_SC_NPROCESSORS_CONF);
    case 0x61: return sysconf(_SC_NPROCESSORS_ONLN);
    default: errno = EINVAL; return -1;
  }
}
VERSIONED("bionic_sysconf", "sysconf")

/* XNNPACK's aligned loads need 64 bytes on AVX-512 processors; Android's allocator gives more than is asked for. */
static size_t aligned(size_t alignment) { return alignment < 64 ? 64 : alignment; }
void *bionic_memalign(size_t alignment, size_t size) { return memalign(aligned(alignment), size); }
VERSIONED("bionic_memalign", "memalign")
int bionic_posix_memalign(void **block, size_t alignment, size_t size) {
  return posix_memalign(block, aligned(alignment), size);
}
VERSIONED("bionic_posix_memalign", "posix_memalign")

/* XNNPACK is the default delegate from Android API 20 on. */
int bionic_system_property_get(const char *name, char *value) {
  strcpy(value, strcmp(name, "ro.build.version.sdk") ? "" : "34");
  return (int)strlen(value);
}
VERSIONED("bionic_system_property_get", "__system_property_get")

/* stdin, stdout and stderr are entries of an array there. */
enum { STREAM_SIZE = 152 };
char bionic_sF[3 * STREAM_SIZE];
VERSIONED("bionic_sF", "__sF")
static FILE *stream(void *file) {
  FILE *const standard[] = {stdin, stdout, stderr};
  ptrdiff_t offset = (char *)file - bionic_sF;
  return offset >= 0 && offset < (ptrdiff_t)sizeof bionic_sF ? standard[offset / STREAM_SIZE] : file;
}
int bionic_vfprintf(void *file, const char *format, va_list values) { return vfprintf(stream(file), format, values); }
VERSIONED("bionic_vfprintf", "vfprintf")
int bionic_fprintf(void *file, const char *format, ...) {
  va_list values;
  va_start(values, format);
  int count = vfprintf(stream(file), format, values);
  va_end(values);
  return count;
}
VERSIONED("bionic_fprintf", "fprintf")
int bionic_fputc(int character, void *file) { return fputc(character, stream(file)); }
VERSIONED("bionic_fputc", "fputc")
size_t bionic_fwrite(const void *data, size_t size, size_t count, void *file) {
  return fwrite(data, size, count, stream(file));
}
VERSIONED("bionic_fwrite", "fwrite")
int bionic_fflush(void *file) { return fflush(file ? stream(file) : NULL); }
VERSIONED("bionic_fflush", "fflush")
int bionic_fileno(void *file) { return fileno(stream(file)); }
VERSIONED("bionic_fileno", "fileno")

void bionic_set_abort_message(const char *message) { fprintf(stderr, "abort: %s\n", message ? message : ""); }
VERSIONED("bionic_set_abort_message", "android_set_abort_message")
