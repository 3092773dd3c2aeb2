#include "translator/optimizer/report.h"

#include "translator/optimizer/bytes.h"

namespace ferry::optimizer {

void CompileTimes::add(const CompileTimes& other) {
  lift += other.lift;
  optimise += other.optimise;
  generate += other.generate;
  pack += other.pack;
}

std::vector<u8> write_listing(const Listing& listing) {
  ByteWriter out;
  for (std::string_view text : {std::string_view{listing.before}, {listing.after}, {listing.code}}) {
    out.put<u8>(text.size() > max_listing_text);
    out.put_text(text.substr(0, max_listing_text));
  }
  return out.take();
}

std::optional<Listing> read_listing(std::span<const u8> bytes) {
  ByteReader in(bytes);
  Listing listing{.wanted = true, .before = {}, .after = {}, .code = {}};
  for (std::string* text : {&listing.before, &listing.after, &listing.code}) {
    bool cut = in.get<u8>() != 0;
    *text = in.get_text(max_listing_text);
    if (cut) *text += "\n; and so on: it is too long to be shown whole\n";
  }
  if (!in.complete()) return std::nullopt;
  return listing;
}

}  // namespace ferry::optimizer
