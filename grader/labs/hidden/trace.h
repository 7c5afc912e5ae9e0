// trace.h - what the programs share that leave traces for the grader: words that only they and it know, marks, files.
#pragma once

#define WORDS  (PGSIZE / 8)   // in a page
#define FIRST  0              // words of each page that are stored to,
#define SECOND 100            // the second by another process, or not at all

extern char *names[];         // of the program's files, by their numbers

void   marked(int number, char *va, int pages);
uint64 stored(int file, int page, int i);
void   make(int file, int size);
char  *mapped(int file, int pages, int prot, int flags);
void   storeword(char *p, int file, int page, int i);
uint64 loadword(char *p, int page, int i);
