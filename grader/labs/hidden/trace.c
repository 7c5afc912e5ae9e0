// trace.c - what the programs share that leave traces for the grader: words that only they and it know, marks, files.
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"
#include "runkey.h"
#include "hid.h"
#include "trace.h"

#define GOLDEN 0x9e3779b97f4a7c15UL

// ---- words

// The finalizer of SplitMix64. It need not withstand more than a kernel that has seconds, and sees little of it.
static uint64
mix(uint64 x)
{
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9UL;
  x = (x ^ x >> 27) * 0x94d049bb133111ebUL;
  return x ^ x >> 31;
}

static uint64
secret(uint64 a, uint64 b, uint64 c)
{
  return mix(mix(mix(mix(RUNKEY0 ^ a) ^ b) ^ c) ^ RUNKEY1);
}

// Word number i of a page of a file.
static uint64
original(int file, int page, int i)
{
  return mix(secret(file, page, 0) + i * GOLDEN);
}

// What is stored into word number i of a page instead.
uint64
stored(int file, int page, int i)
{
  return secret(file, page, i + 1);
}

// ---- marks

// The grader's breakpoint. It stands where no program has code that is on the same disk and runs before this one.
void mark(uint64 number, uint64 va, uint64 pages, uint64 tag);
__asm__(".pushsection .text.mark, \"ax\"\n"
        ".balign 0x4000\n"
        ".globl mark\n"
        "mark: ret\n"
        ".popsection");

// Have the grader look at these pages now.
void
marked(int number, char *va, int pages)
{
  mark(number, (uint64)va, pages, secret(number, (uint64)va, pages));
}

// ---- files and mappings

// Make the file, of so many bytes.
void
make(int file, int size)
{
  static uint64 page[WORDS];
  int fd = opened(names[file], O_CREATE | O_TRUNC | O_RDWR);

  for (int at = 0; at < size; at += PGSIZE) {
    for (int i = 0; i < WORDS; i++)
      page[i] = original(file, at / PGSIZE, i);
    memcpy(want + at, page, PGSIZE);
  }
  check(write(fd, want, size) == size, "write");
  close(fd);
}

char *
mapped(int file, int pages, int prot, int flags)
{
  return mapfile(names[file], pages * PGSIZE, prot, flags);
}

void
storeword(char *p, int file, int page, int i)
{
  ((volatile uint64 *)(p + page * PGSIZE))[i] = stored(file, page, i);
}

uint64
loadword(char *p, int page, int i)
{
  return ((volatile uint64 *)(p + page * PGSIZE))[i];
}
