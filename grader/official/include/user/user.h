// user.h - what a user program may call: the system calls and the library.
#pragma once

struct stat;

// Processes
int   fork(void);
int   exit(int status) __attribute__((noreturn));
int   wait(int *status);
int   exec(const char *path, char **argv);
int   kill(int pid);
int   getpid(void);
int   pause(int ticks);
int   uptime(void);

// Files and directories
int   open(const char *path, int flags);
int   close(int fd);
int   read(int fd, void *buf, int n);
int   write(int fd, const void *buf, int n);
int   dup(int fd);
int   pipe(int *fds);
int   fstat(int fd, struct stat *st);
int   link(const char *from, const char *to);
int   unlink(const char *path);
int   mkdir(const char *path);
int   chdir(const char *path);
int   mknod(const char *path, short major, short minor);

// Memory. Programs call sbrk and sbrklazy, below.
char *sys_sbrk(int n, int how);
void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
int   munmap(void *addr, size_t len);
int   mprotect(void *addr, size_t len, int prot);
struct wmapinfo;
int   getwmapinfo(struct wmapinfo *info);
int   numvp(void);
int   numpp(void);
int   getptsize(void);
uint64 va2pa(void *va);
int   cfork(void);
int   msync(void *addr, size_t len);

// ulib.c
#define SBRK_ERROR ((char *)-1)
char *sbrk(int n);
char *sbrklazy(int n);
int   stat(const char *path, struct stat *st);
char *gets(char *buf, int max);
int   atoi(const char *s);
uint  strlen(const char *s);
char *strcpy(char *dst, const char *src);
char *strchr(const char *s, char c);
int   strcmp(const char *a, const char *b);
void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int   memcmp(const void *a, const void *b, size_t n);

// printf.c: one call is one line on the console, never torn.
void  printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void  fprintf(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void  vprintf(int fd, const char *fmt, __builtin_va_list args);

// umalloc.c
void *malloc(size_t n);
void  free(void *p);
