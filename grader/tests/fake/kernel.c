// kernel.c - a stand-in for a kernel: it prints what script.h says, and has a shell that "runs" what script.h lists.
//
// script.h defines BOOT, the text that is printed before the shell starts, and PROGRAMS, rows of
// {"what is typed", "what is printed", "what $? becomes"}; arguments may follow what is typed. These characters in a text are orders:
#define BUSY  '\1'   // compute for ever
#define IDLE  '\2'   // wait for interrupts for ever; ten of them come each second
#define FLOOD '\3'   // print for ever
#define OFF   '\4'   // end the machine with status 0
#define AGAIN '\5'   // start from the beginning
#define NAP   '\6'   // wait for half a second
#define WORK  '\7'   // compute for half a second

#include "script.h"

static volatile unsigned char *const uart = (void *)0x10000000;
static volatile unsigned *const finisher = (void *)0x100000;
static volatile unsigned long *const alarm = (void *)0x2004000;
static volatile unsigned long *const clock = (void *)0x200bff8;   // 10 MHz

static const struct {
  const char *name, *prints, *status;
} programs[] = {PROGRAMS};

void start(void);

static void
put(char c)
{
  while ((uart[5] & 0x20) == 0)
    ;
  uart[0] = c;
}

static void
rest(void)
{
  *alarm = *clock + 1000000;
  asm volatile("csrw mie, %0; wfi" :: "r"(0x80));
}

static void
obey(char order)
{
  unsigned long now = *clock;
  switch (order) {
  case BUSY:
    for (;;)
      ;
  case IDLE:
    for (;;)
      rest();
  case FLOOD:
    for (;;)
      put('y'), put('\n');
  case OFF:
    *finisher = 0x5555;
    for (;;)
      ;
  case AGAIN:
    start();
  case NAP:
    while (*clock < now + 5000000)
      rest();
    return;
  case WORK:
    while (*clock < now + 5000000)
      ;
    return;
  default:
    put(order);
  }
}

static void
perform(const char *text)
{
  while (*text)
    obey(*text++);
}

static void
getline(char *line)
{
  do {
    while ((uart[5] & 1) == 0)
      ;
    *line = uart[0];
    put(*line);
  } while (*line++ != '\n');
  line[-1] = 0;
}

// If line begins with word and one of the characters in ends, what comes behind; else 0.
static const char *
skip(const char *line, const char *word, char end)
{
  while (*word && *line == *word)
    line++, word++;
  return *word == 0 && *line == end ? line : 0;
}

// Print words with one blank between them, as echo does; $? is replaced by status.
static void
echo(const char *words, const char *status)
{
  while (*words) {
    while (*words == ' ')
      words++;
    if (*status && skip(words, "$?", 0)) {
      perform(status);
      words += 2;
    }
    while (*words && *words != ' ')
      put(*words++);
    put(*words ? ' ' : '\n');
  }
}

static void
shell(char *line)
{
  const char *status = "1", *rest = line;
  unsigned n = sizeof programs / sizeof programs[0];
  for (unsigned i = 0; i < n; i++) {
    const char *behind = skip(line, programs[i].name, ';');
    if (!behind)
      behind = skip(line, programs[i].name, ' ');
    if (behind) {
      rest = behind;
      while (*rest && *rest != ';')
        rest++;
      perform(programs[i].prints);
      status = programs[i].status;
      break;
    }
  }
  if (rest == line) {
    perform("exec ");
    while (*rest && *rest != ';' && *rest != ' ')
      put(*rest++);
    perform(" failed\n");
    while (*rest && *rest != ';')
      rest++;
  }
  echo(rest + sizeof "; echo" - 1, status);
}

void
run(void)
{
  static char line[256];
  perform(BOOT);
  for (;;) {
    perform("$ ");
    getline(line);
    shell(line);
  }
}

asm(".section .start; .globl start; start: csrr t0, mhartid; park: bnez t0, sleep; la sp, stack + 4096; j run;"
    "sleep: wfi; j sleep; .bss; .align 4; stack: .space 4096; .text");
