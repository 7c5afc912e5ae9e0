// extlib.h - what the tests of tasks 9 to 14 share: sections, checks, files, children, a count of free pages.
#pragma once
#include "kernel/types.h"
#include "kernel/stat.h"
#include "kernel/fcntl.h"
#include "kernel/riscv.h"
#include "user/user.h"

#define BAD    ((char *)-1)             // what mmap returns on failure
#define RW     (PROT_READ | PROT_WRITE)
#define ANON   (MAP_PRIVATE | MAP_ANONYMOUS)
#define ANONS  (MAP_SHARED | MAP_ANONYMOUS)
#define BASE   ((char *)0x40000000)     // where the first mapping goes
#define NAME   "ext.file"               // made by newfile

struct section {
  char *name;                           // runs it alone
  void (*run)(void);
};

// Run the sections that argv names, or all. Does not return.
void  sections(int argc, char *argv[], struct section *s, int n) __attribute__((noreturn));
// Report what went wrong, and end the program, unless ok.
void  check(int ok, char *what);

// Make NAME: npages pages, the first of 'a's, the second of 'b's, ...
void  newfile(int npages);
// Map the file, through a descriptor that is closed at once; len bytes of anonymous memory.
char *mapfile(char *name, int len, int prot, int flags);
char *mapanon(void *addr, long len, int prot, int flags);
// Byte at of the file is c.
void  holds(char *name, int at, char c, char *what);

// The exit status of a child that calls f(p); -1 if it is killed.
int   outcome(void (*f)(char *), char *p);
// Does a load, or a store, kill?
int   loadkills(char *p);
int   storekills(char *p);
// How many pages are free; how often the file of that name can be opened, by processes that live at one time.
int   freepages(void);
int   freefiles(char *name);
