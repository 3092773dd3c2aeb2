// What the passes that change where loops begin and end do to functions of the shapes that they are for.
#include "tests/translator/optimizer/shape.h"

namespace ferry::optimizer {
namespace {

// The outer loop has what the inner one computed last.
const std::string last = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  br label %outer
outer:
  %i = phi i64 [ 0, %0 ], [ %i_next, %inner ]
  %kept = phi i64 [ %a, %0 ], [ %scaled, %inner ]
  %also = phi i64 [ %b, %0 ], [ %mixed, %inner ]
  %twice = phi i64 [ 1, %0 ], [ %scaled, %inner ]
  %i_next = add i64 %i, 1
  %done = icmp ugt i64 %i, 5
  br i1 %done, label %exit, label %inner
inner:
  %j = phi i64 [ %c, %outer ], [ %j_next, %inner ]
  %j_next = add i64 %j, %i_next
  %sum = add i64 %j, %kept
  %scaled = mul i64 %sum, 5
  %mixed = xor i64 %j_next, %also
  %more = icmp ult i64 %j_next, 20
  br i1 %more, label %inner, label %outer
exit:
  store i64 %kept, ptr %out
  %at = getelementptr i64, ptr %out, i64 1
  store i64 %also, ptr %at
  %at2 = getelementptr i64, ptr %out, i64 2
  store i64 %twice, ptr %at2
  ret void
})";

TEST(LoopExits, WhatOnlyTheOuterLoopWants) {
  expect_same(last, &Shape::move_out_of_loops);
  Shape shape(last);
  ASSERT_TRUE(shape.good());
  shape.move_out_of_loops();
  for (const llvm::Instruction& instruction : llvm::instructions(shape.function())) {
    auto opcode = instruction.getOpcode();
    if (opcode == llvm::Instruction::Mul || opcode == llvm::Instruction::Xor || instruction.getName() == "sum")
      EXPECT_FALSE(llvm::is_contained(llvm::successors(instruction.getParent()), instruction.getParent()));
  }
}

// A loop that begins with accesses, whose edges want what is from before the loop the first time around. Two ways lead into it.
const std::string accesses = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  %at1 = getelementptr i64, ptr %out, i64 1
  %at2 = getelementptr i64, ptr %out, i64 2
  %at3 = getelementptr i64, ptr %out, i64 3
  %short = icmp ult i64 %b, 100
  br i1 %short, label %near, label %far
near:
  br label %head
far:
  br label %head
head:
  %i = phi i64 [ %a, %near ], [ 0, %far ], [ %next, %back ]
  %kind = phi i64 [ 1, %near ], [ 5, %far ], [ 2, %back ]
  %flags = phi i64 [ %b, %near ], [ %a, %far ], [ %both, %back ]
  %before = phi i64 [ 99, %near ], [ %b, %far ], [ %x, %back ]
  %p = inttoptr i64 %i to ptr
  %x = callbr i64 asm sideeffect "load", "=r,*m,!i"(ptr elementtype(i64) %p) to label %second [label %fault]
second:
  %i1 = add i64 %i, 1
  %p1 = inttoptr i64 %i1 to ptr
  %y = callbr i64 asm sideeffect "load", "=r,*m,!i"(ptr elementtype(i64) %p1) to label %back [label %fault1]
back:
  %both = add i64 %x, %y
  store i64 %both, ptr %at3
  %next = add i64 %i, 3
  %more = icmp ult i64 %next, 300
  br i1 %more, label %head, label %exit
fault:
  store i64 %kind, ptr %out
  store i64 %flags, ptr %at1
  store i64 %before, ptr %at2
  ret void
fault1:
  store i64 %kind, ptr %out
  store i64 %flags, ptr %at1
  store i64 %x, ptr %at2
  ret void
exit:
  store i64 %next, ptr %out
  store i64 %y, ptr %at1
  ret void
})";

bool is_access(const llvm::Instruction& instruction) { return llvm::isa<llvm::CallBrInst>(instruction); }

TEST(LoopEntries, TheLoopNeedNotKnowWhetherItIsTheFirstTimeAround) {
  expect_same(accesses, &Shape::split_loop_entries);
  expect_same(accesses, &Shape::split_loop_entries_and_move);
  Shape moved(accesses), split(accesses);
  ASSERT_TRUE(moved.good() && split.good());
  moved.move(), split.split_loop_entries_and_move();
  auto numbers_edges = [](const llvm::Instruction& i) {
    return llvm::isa<llvm::PHINode>(i) && i.getType()->isIntegerTy(8);
  };
  EXPECT_EQ(moved.count(is_access, false), 2);
  EXPECT_EQ(moved.count(numbers_edges, false), 1);
  EXPECT_EQ(split.count(is_access, false), 4);
  // Of the two ways in there is one still, in front of the loop.
  for (const llvm::Instruction& instruction : llvm::instructions(split.function())) {
    if (numbers_edges(instruction)) EXPECT_EQ(instruction.getNumOperands(), 2u);
  }
}

// Accesses are made once where all that comes from before has a use in the loop, or is what an access loaded.
TEST(LoopEntries, OtherLoopsStayAsTheyAre) {
  for (const char* use : {"%all1 = add i64 %all, %before\n store i64 %all1", "store i64 %all"}) {
    std::string text = accesses;
    text.replace(text.find("store i64 %both"), 15, std::string("%all = add i64 %kind, %flags\n ") + use);
    expect_same(text, &Shape::split_loop_entries);
    Shape shape(text);
    ASSERT_TRUE(shape.good());
    shape.split_loop_entries();
    EXPECT_EQ(shape.count(is_access, false), 2);
  }
}

// Two accesses of one instruction share an edge; and where control comes to the header is not all to be seen.
TEST(LoopEntries, WhatIsSharedStaysAsItIs) {
  std::string one_edge = accesses, taken = accesses;
  one_edge.replace(one_edge.find("[label %fault1]"), 15, "[label %fault]");
  one_edge.erase(one_edge.find("fault1:"), one_edge.find("exit:") - one_edge.find("fault1:"));
  taken = "@heads = constant [1 x ptr] [ptr blockaddress(@f, %head)]\n" + taken;
  for (const std::string& text : {one_edge, taken}) {
    Shape shape(text);
    ASSERT_TRUE(shape.good());
    shape.split_loop_entries();
    EXPECT_EQ(shape.count(is_access, false), 2);
  }
  expect_same(one_edge, &Shape::split_loop_entries);
}

}  // namespace
}  // namespace ferry::optimizer
