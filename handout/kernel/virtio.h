// virtio.h - what a virtio block device behind MMIO looks like
// (Virtual I/O Device (VIRTIO) Version 1.1, OASIS, 11 April 2019).
#pragma once

// The registers of one slot: section 4.2.2, table 4.1; those named legacy_: section 4.2.4, table 4.2.
struct virtio_slot {
  uint magic;                 // 0x000
  uint version;               // 1 legacy, 2 modern
  uint device;                // 0: nothing plugged in
  uint vendor;
  uint features;              // 0x010: 32 of the bits that the device offers
  uint features_sel;          // which 32
  uint gap018[2];
  uint accepted;              // 0x020: 32 of the bits that the driver takes
  uint accepted_sel;
  uint legacy_page_size;
  uint gap02c;
  uint queue_sel;             // 0x030: the queue that the next ones speak of
  uint queue_max;
  uint queue_size;
  uint legacy_queue_align;
  uint legacy_queue_pfn;      // 0x040
  uint queue_ready;
  uint gap048[2];
  uint notify;                // 0x050: there is something new in queue number ...
  uint gap054[3];
  uint intr_status;           // 0x060
  uint intr_ack;
  uint gap068[2];
  uint status;                // 0x070: how far the driver has got
  uint gap074[3];
  uint queue_desc[2];         // 0x080: addresses of a queue's parts, low half first
  uint gap088[2];
  uint queue_avail[2];        // 0x090
  uint gap098[2];
  uint queue_used[2];         // 0x0a0
  uint gap0a8[22];
  uint capacity[2];           // 0x100: the block device's own fields, section 5.2.4
  uint size_max;
  uint seg_max;               // data descriptors that one request may have
};

#define VIRTIO_MAGIC    0x74726976   // "virt"
#define VIRTIO_BLOCK    2            // section 5: device types

// status: section 2.1
#define STATUS_SEEN         1
#define STATUS_DRIVER       2
#define STATUS_READY        4
#define STATUS_FEATURES_OK  8
#define STATUS_FAILED       128

// feature bits: sections 5.2.3 and 6
#define FEATURE_SEG_MAX     2        // seg_max tells
#define FEATURE_FLUSH       9        // the device caches writes, and knows a flush command
#define FEATURE_VERSION_1   32       // not legacy

// A piece of memory that the device is to read or to write: section 2.6.5.
struct virtq_desc {
  uint64 addr;
  uint   len;
  ushort flags;
  ushort next;
};
#define DESC_NEXT   1                // next tells the following piece
#define DESC_WRITE  2                // the device writes here

#define QSIZE 128                    // descriptors; a power of two

// The queue, laid out so that both kinds of device take it: a modern one is told three addresses,
// a legacy one assumes that the used ring begins the page after the available ring (section 2.6.2).
struct virtq {
  struct virtq_desc desc[QSIZE];
  struct {                           // section 2.6.6: driver to device
    ushort flags;
    ushort idx;
    ushort ring[QSIZE];
    ushort event;
  } avail;
  struct {                           // section 2.6.8: device to driver
    ushort flags;
    ushort idx;
    struct { uint id; uint len; } ring[QSIZE];
    ushort event;
  } used __attribute__((aligned(4096)));
} __attribute__((aligned(4096)));

// A block request is this, the data, and a status byte: section 5.2.6.
struct virtio_blk_head {
  uint   type;
  uint   reserved;
  uint64 sector;
};
#define BLK_IN   0                   // from the disk
#define BLK_OUT  1                   // to the disk
#define BLK_OK   0                   // status
#define SECTOR   512
