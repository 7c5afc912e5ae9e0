// printf.c - the kernel's messages, and its last words.
#include <stdarg.h>
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "memlayout.h"
#include "spinlock.h"
#include "proc.h"
#include "defs.h"

#define LINE 256      // longest message; what is beyond is cut off

int panicked;         // 1 + the hart that panicked

extern char bootstack[];   // entry.S

// A message in the making.
struct text {
  char buf[LINE];
  int  n;
};

static void
addchar(struct text *t, char c)
{
  if (t->n < LINE)
    t->buf[t->n++] = c;
}

static void
addstring(struct text *t, const char *s)
{
  if (s == 0)
    s = "(null)";
  while (*s)
    addchar(t, *s++);
}

// Add x in base 10 or 16, with at least width digits.
static void
addnumber(struct text *t, uint64 x, int base, int width)
{
  char digits[20];
  int n = 0;

  do
    digits[n++] = "0123456789abcdef"[x % base];
  while ((x /= base) != 0);
  while (width > n) {
    addchar(t, '0');
    width--;
  }
  while (n > 0)
    addchar(t, digits[--n]);
}

// Add one conversion, whose letter is c; wide if it had an l. Takes its value from ap.
static void
addvalue(struct text *t, char c, int wide, va_list *ap)
{
  if (c == 'd') {
    long x = wide ? va_arg(*ap, long) : va_arg(*ap, int);
    if (x < 0)
      addchar(t, '-');
    addnumber(t, x < 0 ? -(uint64)x : x, 10, 0);
  } else if (c == 'u' || c == 'x') {
    addnumber(t, wide ? va_arg(*ap, uint64) : va_arg(*ap, uint), c == 'u' ? 10 : 16, 0);
  } else if (c == 'p') {
    addstring(t, "0x");
    addnumber(t, va_arg(*ap, uint64), 16, 16);
  } else if (c == 's') {
    addstring(t, va_arg(*ap, char *));
  } else if (c == 'c') {
    addchar(t, va_arg(*ap, int));
  } else {
    addchar(t, c);   // %%
  }
}

// Add a message. Knows %d %u %x with l or ll before, %p, %s, %c and %%.
static void
format(struct text *t, const char *fmt, va_list *ap)
{
  for (; *fmt; fmt++) {
    if (*fmt != '%') {
      addchar(t, *fmt);
      continue;
    }
    int wide = 0;
    while (*++fmt == 'l')
      wide = 1;
    if (*fmt == 0)
      return;
    addvalue(t, *fmt, wide, ap);
  }
}

// Print a message, whole: no other output comes between.
int
printf(char *fmt, ...)
{
  struct text t = { .n = 0 };
  va_list ap;

  va_start(ap, fmt);
  format(&t, fmt, &ap);
  va_end(ap);
  uartwrite(t.buf, t.n);
  return 0;
}

// Does the frame pointer fp lie in the stack that this hart runs on?
// gcc keeps the caller's at fp-16, and the return address at fp-8.
static int
onstack(uint64 fp)
{
  struct proc *p = myproc();
  uint64 low = p ? p->kstack : (uint64)bootstack + cpuid() * BOOTSTACK;
  uint64 high = low + (p ? KSTACKPAGES * PGSIZE : BOOTSTACK);

  return fp % 8 == 0 && fp >= low + 16 && fp <= high;
}

// Print the return addresses of the functions that led here, the latest first.
void
backtrace(void)
{
  uint64 fp = r_fp();

  printf("backtrace:\n");
  while (onstack(fp)) {
    uint64 *frame = (uint64 *)fp;
    printf("%p\n", (void *)frame[-1]);
    if (frame[-2] <= fp)
      break;
    fp = frame[-2];
  }
}

// The kernel can't go on: say why and how it came here, and stop the machine.
void
panic(char *fmt, ...)
{
  struct text t = { .n = 0 };
  va_list ap;

  push_off();
  panicked = cpuid() + 1;
  addstring(&t, "panic: ");
  va_start(ap, fmt);
  format(&t, fmt, &ap);
  va_end(ap);
  addchar(&t, '\n');
  uartwrite(t.buf, t.n);
  backtrace();
  for (;;)
    ;
}
