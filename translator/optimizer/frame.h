// The host stack of a region's function. Control comes in at many places and leaves at many more, so that a prologue and an epilogue
// cost more than they are worth: the function lets the stack pointer be and has its variables below it. Nothing else is there: signal
// handlers have a stack of their own, and around the calls of helpers, which are rare, the pointer is moved.
#pragma once

namespace llvm {
class FunctionPass;
}

namespace ferry::optimizer {

// A pass of the code generator, right behind instruction selection: a function is not to keep a frame pointer, nor to align its stack
// as for a call, because of its stack maps; and it need not save any registers.
llvm::FunctionPass* make_frame_pass();

// Another, right behind the insertion of prologues and epilogues: takes them away. Does nothing where they are not what it knows.
llvm::FunctionPass* make_no_prologue_pass();

}  // namespace ferry::optimizer
