// console.c - the console device: lines typed in, text written out.
#include "types.h"
#include "param.h"
#include "riscv.h"
#include "spinlock.h"
#include "sleeplock.h"
#include "fs.h"
#include "file.h"
#include "proc.h"
#include "defs.h"

#define CHUNK  512   // bytes of a write that are copied, and sent, together
#define INPUT  256   // bytes typed and not yet read; a power of two

#define CTRL(c)    ((c) - '@')
#define BACKSPACE  0x7f

// Counts of bytes, ever growing: byte i lies at buf[i % INPUT].
// [read, line) can be read: whole lines; [line, edit) is the line being typed.
static struct {
  struct spinlock lock;
  char            buf[INPUT];
  uint            read;
  uint            line;
  uint            edit;
} input;

// The console's write. A chunk ends with a line if it can, so that lines longer than none stay whole.
// Returns how many bytes were written; -1 if the first can't be read.
static int
consolewrite(int user, uint64 addr, int n)
{
  char chunk[CHUNK];
  int done = 0;

  while (done < n) {
    int m = n - done < CHUNK ? n - done : CHUNK;
    if (either_copyin(chunk, user, addr + done, m) < 0)
      return done ? done : -1;
    if (m < n - done) {
      int cut = m;
      while (cut > 0 && chunk[cut - 1] != '\n')
        cut--;
      m = cut ? cut : m;
    }
    uartwrite(chunk, m);
    done += m;
  }
  return done;
}

// The console's read: waits for a line, and gives n bytes of it at most. ^D ends the line without
// being part of it, so that a read may give 0 bytes: end of file. -1 if killed, or addr is bad.
static int
consoleread(int user, uint64 addr, int n)
{
  int done = 0;

  if (user && vmprefault(addr, n, 0) < 0)
    return -1;
  acquire(&input.lock);
  while (input.read == input.line) {
    if (killed(myproc())) {
      release(&input.lock);
      return -1;
    }
    sleep(&input, &input.lock);
  }
  while (done < n && input.read < input.line) {
    char c = input.buf[input.read % INPUT];
    if (c == CTRL('D') && done > 0)
      break;   // the next read sees it, and returns 0
    input.read++;
    if (c == CTRL('D') || either_copyout(user, addr + done, &c, 1) < 0)
      break;
    done++;
    if (c == '\n')
      break;
  }
  release(&input.lock);
  return done;
}

// Take the last byte back from the line being typed.
static void
erase(void)
{
  input.edit--;
  uartwrite("\b \b", 3);
}

// Byte c was typed: edit the line, and wake its readers when it is whole.
// Called by uartintr, with interrupts off.
void
consoleintr(int c)
{
  acquire(&input.lock);
  if (c == CTRL('P')) {
    procdump();
  } else if (c == CTRL('U')) {
    while (input.edit != input.line)
      erase();
  } else if (c == CTRL('H') || c == BACKSPACE) {
    if (input.edit != input.line)
      erase();
  } else if (c != 0 && input.edit - input.read < INPUT) {
    char typed = c == '\r' ? '\n' : c;
    input.buf[input.edit++ % INPUT] = typed;
    if (typed != CTRL('D'))
      uartwrite(&typed, 1);
    if (typed == '\n' || typed == CTRL('D') || input.edit - input.read == INPUT) {
      input.line = input.edit;
      wakeup(&input);
    }
  }
  release(&input.lock);
}

void
consoleinit(void)
{
  initlock(&input.lock, "console");
  uartinit();
  devsw[CONSOLE] = (struct devsw){ .read = consoleread, .write = consolewrite };
}
