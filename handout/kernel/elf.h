// elf.h - the parts of an ELF file that exec reads (System V ABI, ELF-64 object file format).
#pragma once

#define ELF_MAGIC 0x464C457FU   // "\x7FELF", little endian

struct elfhdr {
  uint   magic;
  uchar  ident[12];
  ushort type;
  ushort machine;
  uint   version;
  uint64 entry;       // first instruction
  uint64 phoff;       // where the program headers begin in the file
  uint64 shoff;
  uint   flags;
  ushort ehsize;
  ushort phentsize;
  ushort phnum;       // how many program headers
  ushort shentsize;
  ushort shnum;
  ushort shstrndx;
};

struct proghdr {
  uint   type;
  uint   flags;
  uint64 off;         // where the bytes lie in the file
  uint64 vaddr;       // where they go in memory
  uint64 paddr;
  uint64 filesz;      // bytes in the file
  uint64 memsz;       // bytes in memory; the rest is zero
  uint64 align;
};

#define ELF_PROG_LOAD        1
#define ELF_PROG_FLAG_EXEC   1
#define ELF_PROG_FLAG_WRITE  2
#define ELF_PROG_FLAG_READ   4
