// The AArch64 guest's vDSO: the functions of man 7 vdso, each a system call, which ferry answers without leaving the process.
// arch/arm64/kernel/vdso/ has what they promise: x0 and x1 in, x0 out, every other register but x8 kept.
	.text

	.macro	system_call_function name, number
	.globl	\name
	.type	\name, %function
	.balign	16
\name:
	.cfi_startproc
	mov	x8, #\number
	svc	#0
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	system_call_function __kernel_gettimeofday, 169
	system_call_function __kernel_clock_gettime, 113
	system_call_function __kernel_clock_getres, 114

// No unwind information: a frame description cannot say where x30 and the interrupted pc are at once, so unwinders (libgcc,
// libunwind, gdb) know a signal frame by these very two instructions, and only where nothing describes the address. They
// look at the address before the return address first; the nop keeps that out of the function above.
	nop
	.globl	__kernel_rt_sigreturn
	.type	__kernel_rt_sigreturn, %function
__kernel_rt_sigreturn:
	mov	x8, #139
	svc	#0
	.size	__kernel_rt_sigreturn, . - __kernel_rt_sigreturn
