// The words of a command line that boost::program_options reads, in the one style that ferry's commands have: names in full, options
// between the other words.
#pragma once
#include <boost/program_options.hpp>
#include <span>

namespace ferry::command {

// What is no option becomes the value, or values, of `positional`, at most `most` of them (-1: any number). Throws
// boost::program_options::error.
boost::program_options::variables_map read_words(std::span<char* const> words,
                                                 const boost::program_options::options_description& description,
                                                 const char* positional, int most);

}  // namespace ferry::command
