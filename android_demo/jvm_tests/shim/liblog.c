/* The one symbol of Android's liblog.so that the runtime uses; warnings and errors go to stderr. */
#include <stdarg.h>
#include <stdio.h>

enum { ANDROID_LOG_WARN = 5 };

int __android_log_vprint(int priority, const char *tag, const char *format, va_list values) {
  if (priority < ANDROID_LOG_WARN) return 0;
  fprintf(stderr, "%s: ", tag);
  int count = vfprintf(stderr, format, values);
  fputc('\n', stderr);
  return count;
}
