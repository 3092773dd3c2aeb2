#include "command/words.h"

#include <string>
#include <vector>

namespace ferry::command {

namespace po = boost::program_options;

po::variables_map read_words(std::span<char* const> words, const po::options_description& description,
                             const char* positional, int most) {
  po::positional_options_description positions;
  positions.add(positional, most);
  po::variables_map values;
  using namespace po::command_line_style;
  po::store(po::command_line_parser(std::vector<std::string>(words.begin(), words.end()))
                .options(description)
                .positional(positions)
                .style(unix_style & ~allow_guessing)
                .run(),
            values);
  return values;
}

}  // namespace ferry::command
