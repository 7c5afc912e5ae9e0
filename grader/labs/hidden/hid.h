// hid.h - what the hidden tests share: checks, files, mappings, children, and counts of what is free.
#pragma once

#define FAILED  ((char *)-1)            // what mmap returns on failure
#define RDWR    (PROT_READ | PROT_WRITE)
#define ANON    (MAP_PRIVATE | MAP_ANONYMOUS)
#define ANONS   (MAP_SHARED | MAP_ANONYMOUS)
#define LOW     0x40000000UL            // mappings lie from here
#define HIGH    0x80000000UL            // to here
#define NMAP    8                       // mappings at one time that these tests need; only task 2's, and mmaptest, ask for more
#define BIG     60                      // pages: a file of them is nearly as large as a file can be
#define SPARE   2048                    // pages that shrink() leaves
#define MANY    110                     // more files than the system can have open
#define FILE1   "hid.1"
#define FILE2   "hid.2"

struct section {
  char *name;                           // what runs it alone
  char *title;                          // printed before it, and after it with ": OK"
  void (*run)(void);
};

extern char want[BIG * PGSIZE];         // what FILE1 should hold
extern char *self;                      // how this program was called
extern int in, out;                     // pipes from and to the other side, after child()

int   sections(int argc, char *argv[], struct section *s, int n);

void  fail(char *what) __attribute__((noreturn));
void  check(int ok, char *what);
void  same(char *p, char *bytes, int n, char *what);
void  blank(char *p, int n, char *what);

void  fill(char *buf, int seed, int n);
int   opened(char *name, int flags);
void  save(char *name, char *bytes, int n);
void  newfile(int seed, int n);
void  holds(char *name, char *bytes, int n, char *what);

char *map(char *what, int fd, long offset, uint64 len, int prot, int flags);
char *mapfile(char *name, int len, int prot, int flags);
void  refused(char *what, int fd, long offset, uint64 len, int prot, int flags);
char *mapanon(uint64 len, int prot, int flags);
void  unmap(char *p, uint64 len);
int   readable(char *p);
int   load(char *p);
void  store(char *p, char c);

int   child(void);
void  tell(void);
void  hear(void);
void  join(int expected, char *what);
void  alone(void (*f)(void), int expected, char *what);
void  killed(void (*f)(void), char *what);
int   kills(void (*f)(char *), char *p);
int   loadkills(char *p);
int   storekills(char *p);

int   takeall(void);
void  shrink(void);
void  shrinkdisk(void);
int   freepages(void);
int   room(char *p, int len);
int   freeblocks(void);
