/* A plugin of qemu-user's translator (QEMU 7 and 8; qemu-aarch64 -plugin): counts the instructions that a program
 * executes between marks, by adding up the lengths of translated blocks as they run.
 *
 * A mark is a call of the system's function MARK, which no system has, with the range of addresses of a library: from
 * the first one on, what is translated there is counted by itself too. Each mark writes a line to standard error: the
 * instructions since the last one, and those of them in the range. Threads at work at once would not be counted right.
 *
 * Only what this file uses of QEMU's interface is declared, so that it compiles without its headers.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { MARK = 4242, INTERFACE = 1, ADD_U64 = 0 };

typedef struct qemu_plugin_tb block;
typedef void on_translation(uint64_t plugin, block *translated);
typedef void on_call(uint64_t plugin, unsigned processor, int64_t function, uint64_t a1, uint64_t a2, uint64_t a3,
                     uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t plugin, on_translation *callback);
void qemu_plugin_register_vcpu_syscall_cb(uint64_t plugin, on_call *callback);
void qemu_plugin_register_vcpu_tb_exec_inline(block *translated, int operation, void *number, uint64_t operand);
size_t qemu_plugin_tb_n_insns(const block *translated);
uint64_t qemu_plugin_tb_vaddr(const block *translated);

__attribute__((visibility("default"))) extern int qemu_plugin_version;
__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t plugin, const void *info, int count,
                                                               char **arguments);

int qemu_plugin_version = INTERFACE;
static uint64_t executed, inside;
static uint64_t range_begin, range_end;

static void count(uint64_t plugin, block *translated) {
  (void)plugin;
  const uint64_t address = qemu_plugin_tb_vaddr(translated), length = qemu_plugin_tb_n_insns(translated);
  qemu_plugin_register_vcpu_tb_exec_inline(translated, ADD_U64, &executed, length);
  if (address >= range_begin && address < range_end) {
    qemu_plugin_register_vcpu_tb_exec_inline(translated, ADD_U64, &inside, length);
  }
}

static void mark(uint64_t plugin, unsigned processor, int64_t function, uint64_t begin, uint64_t end, uint64_t a3,
                 uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8) {
  (void)plugin, (void)processor, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
  if (function != MARK) return;
  fprintf(stderr, "counted %" PRIu64 " %" PRIu64 "\n", executed, inside);
  executed = inside = 0;
  range_begin = begin;
  range_end = end;
}

int qemu_plugin_install(uint64_t plugin, const void *info, int count_of_arguments, char **arguments) {
  (void)info, (void)count_of_arguments, (void)arguments;
  qemu_plugin_register_vcpu_tb_trans_cb(plugin, count);
  qemu_plugin_register_vcpu_syscall_cb(plugin, mark);
  return 0;
}
