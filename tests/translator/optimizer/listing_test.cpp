// Listings: what people read is there and in its place, and having one changes nothing of the code.
#include <gtest/gtest.h>

#include <algorithm>

#include "translator/aarch64/decode.h"
#include "translator/optimizer/compile.h"

namespace ferry::optimizer {
namespace {

// loop: x3 = *x1++; x2 += x3; if (--x4) loop; to the next page.
Request loop() {
  struct Row {
    const char *row, *fields;
  };
  Request request;
  request.base = 0x410000;
  request.file = "/usr/bin/example";
  Stretch stretch{0x40, {}};
  for (Row row :
       {Row{"ldr_post", "size=3 imm9=8 rn=1 rt=3"}, Row{"add_reg", "sf=1 rm=3 rn=2 rd=2"},
        Row{"sub_imm", "sf=1 imm12=1 rn=4 rd=4"}, Row{"cbnz", "sf=1 imm19=-3 rt=4"}, Row{"b", "imm26=1024"}}) {
    stretch.words.push_back(*aarch64::assemble(*aarch64::row_named(row.row), row.fields));
  }
  request.stretches = {stretch};
  request.entries = {0x40};
  return request;
}

struct Compiled {
  Region region;
  Listing listing;
  CompileTimes times;
};
Compiled compile(bool listed) {
  static Compiler compiler;
  Compiled result;
  result.listing.wanted = listed;
  std::string why;
  auto region = compiler.compile(loop(), why, &result.times, &result.listing);
  EXPECT_TRUE(region) << why;
  if (region) result.region = std::move(*region);
  return result;
}

// The listing's part with the host's instructions: the lines of a guest instruction are those from its text to the next one's.
std::string host_lines_of(const std::string& code, const std::string& guest) {
  std::string found, line;
  bool inside = false;
  size_t begin = code.find("; and the host's");
  for (size_t end; begin < code.size(); begin = end + 1) {
    end = code.find('\n', begin);
    line = code.substr(begin, end - begin);
    size_t bar = line.find('|');
    if (line.starts_with("0x")) inside = line.substr(0, bar).find(guest) != line.npos;
    if (inside && bar != line.npos) found += line.substr(bar) + "\n";
  }
  return found;
}

TEST(Listing, ShowsTheGuestBesideTheHost) {
  Compiled listed = compile(true);
  const std::string& code = listed.listing.code;
  EXPECT_NE(code.find("/usr/bin/example"), code.npos);
  for (const char* guest : {"0x410040  ldr x3, [x1], #8", "0x410044  add x2, x2, x3", "0x410048  sub x4, x4, #1",
                            "0x41004c  cbnz x4, #0x410040", "0x410050  b #0x411050"})
    EXPECT_NE(code.find(guest), code.npos) << guest << "\n" << code;
  EXPECT_NE(code.find("; entered at 0x410040"), code.npos) << code;
#if defined(__x86_64__)
  EXPECT_NE(host_lines_of(code, "ldr x3").find("movq"), code.npos) << code;
  EXPECT_NE(host_lines_of(code, "ldr x3").find("a fault goes on at"), code.npos) << code;
  EXPECT_NE(host_lines_of(code, "add x2").find("addq"), code.npos) << code;
  EXPECT_NE(host_lines_of(code, "cbnz").find("jn"), code.npos) << code;
#endif
  EXPECT_NE(code.find("; to 0x411050"), code.npos) << code;
}

TEST(Listing, HasTheIntermediateCode) {
  Listing listing = compile(true).listing;
  for (const std::string& text : {listing.before, listing.after}) EXPECT_NE(text.find("callbr"), text.npos);
  EXPECT_NE(listing.before.find("alloca"), listing.before.npos);
  EXPECT_EQ(listing.after.find("alloca"), listing.after.npos);
  EXPECT_TRUE(compile(false).listing.before.empty());
}

TEST(Listing, ChangesNothingOfTheCode) {
  Compiled plain = compile(false), listed = compile(true), again = compile(false);
  EXPECT_EQ(plain.region.code, listed.region.code);
  EXPECT_EQ(plain.region.code, again.region.code);
  EXPECT_GT(listed.region.lines.size(), plain.region.lines.size());
  EXPECT_TRUE(read_region(write_region(listed.region)));
}

TEST(Listing, SaysWhatItTook) {
  CompileTimes times = compile(false).times;
  for (u64 phase : {times.lift, times.optimise, times.generate, times.pack}) EXPECT_NE(phase, 0u);
  CompileTimes sum = times;
  sum.add(times);
  EXPECT_EQ(sum.total(), 2 * times.total());
}

TEST(Listing, TravelsAsBytes) {
  Listing listing = compile(true).listing;
  std::vector<u8> bytes = write_listing(listing);
  auto read = read_listing(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->before, listing.before);
  EXPECT_EQ(read->after, listing.after);
  EXPECT_EQ(read->code, listing.code);
  for (size_t size = 0; size < bytes.size(); size += 97) EXPECT_FALSE(read_listing({bytes.data(), size}));
  bytes.push_back(0);
  EXPECT_FALSE(read_listing(bytes));
}

}  // namespace
}  // namespace ferry::optimizer
