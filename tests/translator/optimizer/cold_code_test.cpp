// What the passes that move code out of the way do to functions of the shapes that they met or got wrong: these store the same before and
// after (shape.h), and what was to leave the hot blocks has left them.
#include <random>
#include <sstream>

#include "llvm/Transforms/Utils/Mem2Reg.h"
#include "tests/translator/aarch64/case_generator.h"
#include "tests/translator/optimizer/shape.h"

namespace ferry::optimizer {
namespace {

// A loop, for outside of one what is chosen by the way that control came stays where it is.
const std::string beginning = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  br label %begin
begin:
  %round = phi i64 [ 0, %0 ], [ %next_round, %again ]
)";
const std::string repeating = R"(
again:
  %next_round = add i64 %round, 1
  %more_rounds = icmp ult i64 %next_round, 2
  br i1 %more_rounds, label %begin, label %exit
)";

// How functions end of which only the cold way out wants %result: where %c is not less than `hot_below`.
std::string ways_out(const std::string& hot_below, const std::string& hot, const std::string& type) {
  return "  %hot = icmp ult i64 %c, " + hot_below + "\n  br i1 %hot, label %" + hot + ", label %fault\n" +
         (hot == "again" ? repeating : "") + R"(exit:
  store i64 %a, ptr %out
  ret void
fault:
  store )" +
         type + R"( %result, ptr %out
  ret void
})";
}
const std::string ending = ways_out("2", "again", "i64");

const std::string cold_choice = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  %first = icmp eq i64 %a, %c
  br i1 %first, label %join, label %more
more:
  %product = mul i64 %a, %b
  br label %join
join:
  %result = phi i64 [ 11, %0 ], [ %product, %more ]
)" + ways_out("2", "exit", "i64");

// Phis of one block need not list its edges in the same order.
const std::string orders = beginning + R"(
  switch i64 %a, label %other [ i64 1, label %one
                                i64 2, label %two ]
one:
  %x1 = mul i64 %b, 3
  br label %join
two:
  %y2 = add i64 %b, 40
  br label %join
other:
  br label %join
join:
  %x = phi i64 [ %x1, %one ], [ 77, %two ], [ %b, %other ]
  %y = phi i64 [ 5, %other ], [ %y2, %two ], [ 6, %one ]
  %hot = icmp ult i64 %c, 2
  br i1 %hot, label %again, label %fault
)" + repeating + R"(
exit:
  store i64 %x, ptr %out
  ret void
fault:
  %at = getelementptr i64, ptr %out, i64 1
  store i64 %y, ptr %at
  ret void
})";

// Outside a loop the way out is as hot as what leads to it.
TEST(ColdCode, ChoicesStayOutsideLoops) {
  Shape shape(cold_choice);
  ASSERT_TRUE(shape.good());
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::Mul, false), 1);
  EXPECT_EQ(shape.count(llvm::Instruction::Select, true), 0);
}

TEST(ColdCode, PhisMayListEdgesInAnyOrder) {
  expect_same(orders);
  Shape shape(orders);
  ASSERT_TRUE(shape.good());
  EXPECT_EQ(shape.count(llvm::Instruction::Mul, false), 1);
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::Mul, false), 0);
  EXPECT_EQ(shape.count(llvm::Instruction::Mul, true), 1);
}

// A loop's flags: at the fault they are those that it was entered with or those of the iteration before.
const std::string loop = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  br label %head
head:
  %i = phi i64 [ 0, %0 ], [ %next, %back ]
  %n = phi i8 [ 9, %0 ], [ %sign, %back ]
  %z = phi i8 [ 8, %0 ], [ %zero, %back ]
  %faults = icmp eq i64 %i, %b
  br i1 %faults, label %fault, label %back
back:
  %difference = sub i64 %i, %c
  %top = lshr i64 %difference, 63
  %sign = trunc i64 %top to i8
  %is_zero = icmp eq i64 %difference, 0
  %zero = zext i1 %is_zero to i8
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 12
  br i1 %more, label %head, label %exit
fault:
  store i8 %n, ptr %out
  %at = getelementptr i64, ptr %out, i64 1
  store i8 %z, ptr %at
  ret void
exit:
  %at2 = getelementptr i64, ptr %out, i64 2
  store i64 %next, ptr %at2
  ret void
})";

TEST(ColdCode, LoopsDoNotCarryFlags) {
  expect_same(loop);
  Shape shape(loop);
  ASSERT_TRUE(shape.good());
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::Sub, false), 0);
  EXPECT_EQ(shape.count(llvm::Instruction::LShr, false), 0);
  EXPECT_EQ(shape.count(llvm::Instruction::ZExt, false), 0);
}

// What only a fault wants is computed each time around where it depends on itself, but nothing else with it.
const std::string summing = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  br label %head
head:
  %i = phi i64 [ 0, %0 ], [ %next, %back ]
  %x = phi i64 [ %a, %0 ], [ %sum, %back ]
  %sum = add i64 %x, %b
  %below = icmp ult i64 %sum, %b
  %carry = zext i1 %below to i64
  %faults = icmp eq i64 %i, %c
  br i1 %faults, label %fault, label %back
back:
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 6
  br i1 %more, label %head, label %exit
fault:
  store i64 %carry, ptr %out
  ret void
exit:
  %at = getelementptr i64, ptr %out, i64 1
  store i64 %sum, ptr %at
  ret void
})";

TEST(ColdCode, WhatDependsOnItselfStays) {
  expect_same(summing);
  Shape shape(summing);
  ASSERT_TRUE(shape.good());
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::ZExt, false), 0);
  EXPECT_EQ(shape.count(llvm::Instruction::ZExt, true), 1);
}

// A loop that is entered and comes round in two ways, with phis that only the fault wants.
struct Choices {
  const char* name;
  std::vector<std::string> phis;  // what each takes at the entry and from each way round
  int moved;                      // so many become one number of an edge; the others stay
};

// What is a number anyway, or at hand, can be chosen by the number of the edge; what would have to be carried on two ways round cannot.
const Choices choices[] = {
    {"one_of_constants", {"%a 7 8"}, 0},
    {"two_of_constants", {"%a 7 8", "%b 9 %a"}, 2},
    {"two_with_one_to_carry", {"%a %x1 8", "%b 9 %x2"}, 2},
    {"two_to_carry", {"%a %x1 %x2", "%b %y1 %y2"}, 0},
    {"the_same_to_carry", {"%a %x1 %x2", "%b %x1 %x2"}, 0},
    {"what_another_phi_has", {"%a %next %next", "%b 9 %a"}, 2},
    {"one_beside_a_computed_one", {"%a %cold1 %cold2", "%b 7 8"}, 2},
};

std::string with_choices(const Choices& choice) {
  std::string phis, stores;
  for (size_t i = 0; i < choice.phis.size(); i++) {
    std::istringstream words(choice.phis[i]);
    std::string entry, one, two, n = std::to_string(i);
    words >> entry >> one >> two;
    phis += "  %p" + n + " = phi i64 [ " + entry + ", %0 ], [ " + one + ", %one ], [ " + two + ", %two ]\n";
    stores +=
        "  %at" + n + " = getelementptr i64, ptr %out, i64 " + n + "\n  store i64 %p" + n + ", ptr %at" + n + "\n";
  }
  return R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  %hot = getelementptr i64, ptr %out, i64 3
  br label %head
head:
  %i = phi i64 [ 0, %0 ], [ %next, %one ], [ %next, %two ]
)" + phis +
         R"(  %faults = icmp eq i64 %i, %c
  br i1 %faults, label %fault, label %body
body:
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, 12
  br i1 %more, label %turn, label %exit
turn:
  %third = urem i64 %next, 3
  %turns = icmp eq i64 %third, 0
  br i1 %turns, label %one, label %two
one:
  %x1 = mul i64 %next, %b
  %y1 = add i64 %next, %a
  %cold1 = xor i64 %next, %a
  %sum1 = add i64 %x1, %y1
  store i64 %sum1, ptr %hot
  br label %head
two:
  %x2 = sub i64 %next, %b
  %y2 = mul i64 %next, %a
  %cold2 = or i64 %next, %a
  %sum2 = add i64 %x2, %y2
  store i64 %sum2, ptr %hot
  br label %head
fault:
)" + stores +
         R"(  ret void
exit:
  ret void
})";
}

class PlainChoices : public testing::TestWithParam<Choices> {};
INSTANTIATE_TEST_SUITE_P(ColdCode, PlainChoices, testing::ValuesIn(choices),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_P(PlainChoices, ShareANumberWhereThatSavesSome) {
  std::string text = with_choices(GetParam());
  expect_same(text);
  Shape shape(text);
  ASSERT_TRUE(shape.good());
  // Instructions that nothing uses are none of this pass's.
  shape.apply(llvm::ADCEPass());
  int phis = shape.count(llvm::Instruction::PHI, false), moved = GetParam().moved;
  shape.move();
  // Those that are moved need a phi each for what has to be carried.
  int carried = GetParam().name == std::string("two_with_one_to_carry") ? 2 : 0;
  EXPECT_EQ(shape.count(llvm::Instruction::PHI, false), phis - moved + (moved != 0) + carried);
  EXPECT_EQ(shape.count(llvm::Instruction::Select, true) != 0, moved != 0);
}

// The inner loop's flags at a fault in the outer one, and at one in itself.
const std::string nested = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  %start = urem i64 %a, 5
  br label %outer
outer:
  %i = phi i64 [ %start, %0 ], [ %i_next, %outer_back ]
  %flag = phi i64 [ 1000, %0 ], [ %flag_inner, %outer_back ]
  %faults = icmp eq i64 %i, %b
  br i1 %faults, label %fault, label %inner
inner:
  %j = phi i64 [ 0, %outer ], [ %j_next, %inner_back ]
  %flag_inner_in = phi i64 [ %flag, %outer ], [ %flag_inner, %inner_back ]
  %product = mul i64 %i, %j
  %faults_too = icmp eq i64 %product, %c
  br i1 %faults_too, label %inner_fault, label %inner_back
inner_back:
  %mixed = xor i64 %j, %i
  %flag_inner = add i64 %mixed, 3
  %j_next = add i64 %j, 1
  %more = icmp ult i64 %j_next, 4
  br i1 %more, label %inner, label %outer_back
outer_back:
  %i_next = add i64 %i, 1
  %more_outer = icmp ult i64 %i_next, 8
  br i1 %more_outer, label %outer, label %exit
fault:
  store i64 %flag, ptr %out
  ret void
inner_fault:
  %at = getelementptr i64, ptr %out, i64 1
  store i64 %flag_inner_in, ptr %at
  ret void
exit:
  %at2 = getelementptr i64, ptr %out, i64 2
  store i64 %flag_inner, ptr %at2
  ret void
})";

TEST(ColdCode, NestedLoops) { expect_same(nested); }

// A vector made of one number is made again where only a cold block wants it, and the number kept that there is anyway.
const std::string widened = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  br label %head
head:
  %i = phi i64 [ %a, %0 ], [ %next, %back ]
  %wide = phi <2 x i64> [ zeroinitializer, %0 ], [ %made, %back ]
  %both = insertelement <2 x i64> <i64 4, i64 5>, i64 %i, i64 1
  %hot_lane = extractelement <2 x i64> %both, i64 1
  %faults = icmp eq i64 %hot_lane, %b
  br i1 %faults, label %fault, label %back
back:
  %next = add i64 %i, 3
  %made = insertelement <2 x i64> zeroinitializer, i64 %next, i64 0
  %more = icmp ult i64 %next, 256
  br i1 %more, label %head, label %exit
fault:
  %lane = extractelement <2 x i64> %wide, i64 0
  %own = insertelement <2 x i64> zeroinitializer, i64 %lane, i64 1
  %own_lane = extractelement <2 x i64> %own, i64 1
  store i64 %own_lane, ptr %out
  %at2 = getelementptr i64, ptr %out, i64 2
  store <2 x i64> %both, ptr %at2
  ret void
exit:
  %at = getelementptr i64, ptr %out, i64 1
  store i64 %next, ptr %at
  ret void
})";

TEST(ColdCode, WidenedNumbers) {
  expect_same(widened);
  Shape shape(widened);
  ASSERT_TRUE(shape.good());
  shape.move();
  auto is_vector = [](const llvm::Instruction& i) { return i.getType()->isVectorTy(); };
  EXPECT_EQ(shape.count(is_vector, false), 1);                        // which has a hot user
  EXPECT_EQ(shape.count(llvm::Instruction::InsertElement, true), 3);  // its own, `made` and another `both`
}

// What a condition kept from being computed is not computed anew without it.
const std::string guarded = beginning + R"(
  %safe = icmp ne i64 %b, 0
  br i1 %safe, label %divide, label %join
divide:
  %quotient = udiv i64 %a, %b
  br label %join
join:
  %result = phi i64 [ %quotient, %divide ], [ 0, %begin ]
)" + ending;

TEST(ColdCode, DivisionsStayUnderTheirConditions) {
  expect_same(guarded);
  Shape shape(guarded);
  ASSERT_TRUE(shape.good());
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::UDiv, true), 0);
}

// A conversion raises sticky flags, and two freezes of one thing need not be the same: neither is made again.
TEST(ColdCode, WhatIsNotPureStays) {
  for (const char* made :
       {"%x = bitcast i64 %a to double\n  %made = fptosi double %x to i64", "%made = freeze i64 %a",
        "%x = bitcast i64 %a to double\n  %y = fadd double %x, 1.0\n  %made = bitcast double %y to i64"}) {
    std::string text = beginning + "  " + made + R"(
  %wanted = icmp ult i64 %b, 3
  br i1 %wanted, label %other, label %join
other:
  br label %join
join:
  %result = phi i64 [ 7, %begin ], [ %made, %other ]
)" + ending;
    Shape shape(text);
    ASSERT_TRUE(shape.good());
    shape.move();
    auto is_it = [](const llvm::Instruction& i) {
      return llvm::isa<llvm::FreezeInst, llvm::FPToSIInst>(i) || i.getOpcode() == llvm::Instruction::FAdd;
    };
    EXPECT_EQ(shape.count(is_it, false), 1) << made;
    EXPECT_EQ(shape.count(is_it, true), 0) << made;
  }
}

// A comparison of numbers raises sticky flags where one is a signaling NaN.
const std::string compared = beginning + R"(
  %wanted = icmp ult i64 %c, 9
  br i1 %wanted, label %compare, label %join
compare:
  %x = bitcast i64 %a to double
  %y = bitcast i64 %b to double
  %less = fcmp olt double %x, %y
  %flag = zext i1 %less to i8
  br label %join
join:
  %result = phi i8 [ 7, %begin ], [ %flag, %compare ]
)" + ways_out("1", "again", "i8");

TEST(ColdCode, ComparisonsThatWereNotMadeAreOfZeros) {
  expect_same(compared);
  Shape shape(compared);
  ASSERT_TRUE(shape.good());
  shape.move();
  int bare = shape.count(
      [](const llvm::Instruction& i) {
        return llvm::isa<llvm::FCmpInst>(i) && !llvm::isa<llvm::SelectInst>(i.getOperand(0));
      },
      true);
  EXPECT_EQ(bare, 0);
  EXPECT_EQ(shape.count(llvm::Instruction::FCmp, true), 1);
}

// A cold block may have phis of its own: what they take is wanted on the way to it.
const std::string cold_phi = R"(
define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {
  %first = icmp eq i64 %a, %c
  br i1 %first, label %exit, label %more
more:
  %product = mul i64 %a, %b
  %sum = add i64 %product, %c
  br label %exit
exit:
  %result = phi i64 [ 11, %0 ], [ %sum, %more ]
  store i64 %result, ptr %out
  ret void
})";

TEST(ColdCode, PhisOfColdBlocks) { expect_same(cold_phi); }

// Two edges from one block are one edge to a phi.
const std::string twice = beginning + R"(
  %x = mul i64 %b, 7
  switch i64 %a, label %other [ i64 1, label %join
                                i64 2, label %join
                                i64 3, label %next ]
next:
  %y = add i64 %b, 9
  br label %join
other:
  br label %join
join:
  %result = phi i64 [ %x, %begin ], [ %x, %begin ], [ %y, %next ], [ 1, %other ]
)" + ending;

TEST(ColdCode, TwoEdgesFromOneBlock) { expect_same(twice); }

// As many ways into a block as a region can have entries, and more.
std::string many_edges(int count) {
  std::string cases, blocks, sums;
  for (int i = 0; i < count; i++) {
    std::string n = std::to_string(i);
    cases += " i64 " + n + ", label %from" + n + "\n";
    blocks += "from" + n + ":\n  %x" + n + " = add i64 %b, " + std::to_string(3 * i + 1) + "\n  br label %join\n";
    sums += ", [ %x" + n + ", %from" + n + " ]";
  }
  return beginning + "  switch i64 %a, label %other [\n" + cases + "]\n" + blocks +
         "other:\n  br label %join\njoin:\n  %result = phi i64 [ 5, %other ]" + sums + ending;
}

TEST(ColdCode, ManyEdges) {
  expect_same(many_edges(20));
  expect_same(many_edges(255));
  expect_same(many_edges(300));
}

// Two phis that each take one constant on all edges but one, from block `odd` and from the one before it.
std::string few_choices(int count, int odd) {
  std::string cases, blocks, first, second;
  for (int i = 0; i < count; i++) {
    std::string n = std::to_string(i), from = ", %from" + n + " ]";
    cases += " i64 " + n + ", label %from" + n + "\n";
    blocks += "from" + n + ":\n  br label %join\n";
    first += ", [ " + std::string(i == odd ? "11" : "3") + from;
    second += ", [ " + std::string(i == odd - 1 ? "12" : "4") + from;
  }
  return beginning + "  switch i64 %a, label %other [\n" + cases + "]\n" + blocks +
         "other:\n  br label %join\njoin:\n  %first = phi i64 [ 3, %other ]" + first +
         "\n  %second = phi i64 [ 4, %other ]" + second + "\n  %result = add i64 %first, %second\n" + ending;
}

// Where these edges are does not matter, unless there are more than a byte can number.
TEST(ColdCode, FewChoicesAmongManyEdges) {
  for (int odd : {1, 100, 199}) {
    expect_same(few_choices(200, odd));
    Shape shape(few_choices(200, odd));
    ASSERT_TRUE(shape.good());
    shape.move();
    EXPECT_EQ(shape.count(llvm::Instruction::Select, true), 2) << odd;
  }
  expect_same(few_choices(257, 256));
  Shape shape(few_choices(257, 256));
  ASSERT_TRUE(shape.good());
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::Select, true), 0);
}

// A choice among many constants is no longer a move, neither in the loop nor on its ways out.
TEST(ColdCode, ChoicesAmongManyStay) {
  std::string phis[2];
  for (int i = 0; i < 2; i++) {
    phis[i] = "  %p" + std::to_string(i) + " = phi i64 [ 5, %other ]";
    for (int edge = 0; edge < 100; edge++)
      phis[i] += ", [ " + std::to_string(edge * (i + 2)) + ", %from" + std::to_string(edge) + " ]";
  }
  std::string cases, blocks;
  for (int i = 0; i < 100; i++) {
    cases += " i64 " + std::to_string(i) + ", label %from" + std::to_string(i) + "\n";
    blocks += "from" + std::to_string(i) + ":\n  br label %join\n";
  }
  std::string text = beginning + "  switch i64 %a, label %other [\n" + cases + "]\n" + blocks +
                     "other:\n  br label %join\njoin:\n" + phis[0] + "\n" + phis[1] +
                     "\n  %result = sub i64 %p0, %p1\n" + ending;
  expect_same(text);
  Shape shape(text);
  ASSERT_TRUE(shape.good());
  shape.move();
  EXPECT_EQ(shape.count(llvm::Instruction::Select, true), 0);
}

// Functions of random blocks over a few variables, some of the blocks ways out that store them. A variable of each kind is in memory, for
// mem2reg to make phis of; fuel makes all of them end.
class RandomFunction {
 public:
  explicit RandomFunction(u64 seed) : random_(seed) {}

  std::string text() {
    u64 count = 3 + below(8), ways_out = 2 + below(25);  // many: what all ways out store goes through phis of theirs
    std::string body = "define void @f(ptr %out, i64 %a, i64 %b, i64 %c) {\n";
    for (u64 i = 0; i < numbers; i++) body += "  %v" + std::to_string(i) + " = alloca i64\n";
    for (u64 i = 0; i < vectors; i++) body += "  %w" + std::to_string(i) + " = alloca <2 x i64>\n";
    body += "  %fuel = alloca i64\n  store i64 " + std::to_string(5 + below(40)) + ", ptr %fuel\n";
    for (u64 i = 0; i < numbers; i++)
      body += "  store i64 " + std::string(i % 4 == 3 ? "7" : "%" + std::string(1, static_cast<char>('a' + i % 4))) +
              ", ptr %v" + std::to_string(i) + "\n";
    for (u64 i = 0; i < vectors; i++) body += "  store <2 x i64> zeroinitializer, ptr %w" + std::to_string(i) + "\n";
    body += "  br label %b" + std::to_string(below(count)) + "\n";
    for (u64 i = 0; i < count; i++) body += block(i, count, ways_out);
    for (u64 i = 0; i < ways_out; i++) body += way_out(i);
    return body + "}\n";
  }

 private:
  static constexpr u64 numbers = 6, vectors = 2;

  u64 below(u64 n) { return random_() % n; }
  std::string value() { return "%t" + std::to_string(++values_); }
  std::string load(const std::string& type, const std::string& from, std::string& text) {
    std::string result = value();
    text += "  " + result + " = load " + type + ", ptr " + from + "\n";
    return result;
  }
  std::string number(std::string& text) {
    return below(5) == 0 ? std::to_string(below(9)) : load("i64", "%v" + std::to_string(below(numbers)), text);
  }

  std::string statement() {
    static constexpr const char* operations[] = {"add", "sub", "mul", "and", "or", "xor", "icmp ult", "icmp eq"};
    std::string text, result = value();
    u64 kind = below(11);
    if (kind == 0) {
      std::string lane = number(text), to = "%w" + std::to_string(below(vectors));
      text += "  " + result + " = insertelement <2 x i64> zeroinitializer, i64 " + lane +
              ", i64 0\n  store <2 x i64> " + result + ", ptr " + to + "\n";
      return text;
    }
    if (kind == 1) {
      std::string vector = load("<2 x i64>", "%w" + std::to_string(below(vectors)), text);
      text += "  " + result + " = extractelement <2 x i64> " + vector + ", i64 0\n";
    } else {
      std::string operation = operations[below(std::size(operations))], left = number(text), right = number(text);
      bool compares = operation.starts_with("icmp");
      std::string name = compares ? value() : result;
      text += "  " + name + " = " + operation + " i64 " + left + ", " + right + "\n";
      if (compares) text += "  " + result + " = zext i1 " + name + " to i64\n";
    }
    return text + "  store i64 " + result + ", ptr %v" + std::to_string(below(numbers)) + "\n";
  }

  std::string block(u64 index, u64 count, u64 ways_out) {
    std::string name = "b" + std::to_string(index), text = name + ":\n";
    std::string fuel = load("i64", "%fuel", text);
    text += "  %less" + name + " = sub i64 " + fuel + ", 1\n  store i64 %less" + name + ", ptr %fuel\n";
    for (u64 n = below(5); n != 0; n--) text += statement();
    text += "  %empty" + name + " = icmp eq i64 %less" + name + ", 0\n  br i1 %empty" + name + ", label %x" +
            std::to_string(below(ways_out)) + ", label %go" + name + "\ngo" + name + ":\n";
    for (u64 n = below(3); n != 0; n--) text += statement();
    auto target = [&] {
      return below(5) == 0 ? "%x" + std::to_string(below(ways_out)) : "%b" + std::to_string(below(count));
    };
    std::string left = number(text), right = number(text);
    if (below(6) == 0)
      return text + "  switch i64 " + left + ", label " + target() + " [ i64 0, label " + target() +
             "\n i64 1, label " + target() + "\n i64 3, label " + target() + " ]\n";
    return text + "  %goes" + name + " = icmp ult i64 " + left + ", " + right + "\n  br i1 %goes" + name + ", label " +
           target() + ", label " + target() + "\n";
  }

  std::string way_out(u64 index) {
    std::string text = "x" + std::to_string(index) + ":\n";
    for (u64 n = below(3); n != 0; n--) text += statement();
    for (u64 i = 0; i < std::tuple_size<Outputs>(); i++) {
      std::string kept = number(text), at = value();
      text += "  " + at + " = getelementptr i64, ptr %out, i64 " + std::to_string(i) + "\n  store i64 " + kept +
              ", ptr " + at + "\n";
    }
    return text + "  ret void\n";
  }

  std::mt19937_64 random_;
  u64 values_ = 0;
};

// What a phi takes where it does not matter may be anything; the interpreter has zeros there.
void make_definite(llvm::Function& function) {
  u64 garbage = 0x9e3779b97f4a7c15;
  for (llvm::Instruction& instruction : llvm::instructions(function)) {
    for (llvm::Use& use : instruction.operands()) {
      if (llvm::isa<llvm::PoisonValue>(use.get()) && use->getType()->isIntegerTy())
        use.set(llvm::ConstantInt::get(use->getType(), garbage *= 3));
    }
  }
}

void move_both(Shape& shape) {
  shape.move();
  shape.move_out_of_loops();
}

TEST(ColdCode, RandomFunctions) {
  u64 count = test::from_environment("FERRY_TEST_CASES", 600), seed = test::from_environment("FERRY_TEST_SEED", 1);
  for (u64 i = 0; i < count && !testing::Test::HasFailure(); i++) {
    std::string text = RandomFunction(seed * 1000003 + i).text();
    Shape before(text), after(text);
    ASSERT_TRUE(before.good()) << text;
    after.apply(llvm::PromotePass());
    move_both(after);
    make_definite(after.function());
    auto original = before.interpreter(), moved = after.interpreter();
    for (u64 a : {0, 1, 5, 300}) {
      for (u64 b : {0, 2, 7}) {
        for (u64 c : {1, 9})
          ASSERT_EQ(run(*original, {a, b, c}), run(*moved, {a, b, c})) << a << " " << b << " " << c << "\n" << text;
      }
    }
  }
}

}  // namespace
}  // namespace ferry::optimizer
