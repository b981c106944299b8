// Small texts with a grammar of their own: times, durations, quantities, addresses, settings.
#include "base/config.hpp"
#include "base/endpoint.hpp"
#include "base/time.hpp"
#include "fuzz.hpp"
#include "http/target.hpp"
#include "model/node.hpp"
#include "model/quantity.hpp"

#include <string>

namespace {

using namespace sandboxd;

void times(std::string_view text) {
  if (const auto at = parse_rfc3339(text)) {
    fuzz::must(parse_rfc3339(format_rfc3339(*at)) == at, "a time that was written reads the same");
  }
  if (const auto duration = parse_duration(text)) {
    const auto again = parse_duration(config_text(*duration));
    // Durations pass through doubles, which hold whole nanoseconds up to about 100 days.
    const bool is_exact = duration->count() < (std::int64_t{1} << 53) && duration->count() > -(std::int64_t{1} << 53);
    fuzz::must(again.has_value() && (!is_exact || *again == *duration), "a duration that was written reads the same");
  }
}

void quantities(std::string_view text) {
  if (const auto bytes = model::parse_bytes(text); bytes && *bytes >= 0) {
    fuzz::must(model::parse_bytes(model::format_bytes(*bytes)) == bytes, "an amount that was written reads the same");
  }
  if (const auto milli = model::parse_cpu_milli(text); milli && *milli >= 0) {
    fuzz::must(model::parse_cpu_milli(model::format_cpu_milli(*milli)) == milli, "so does CPU");
  }
}

void addresses(std::string_view text) {
  static_cast<void>(parse_endpoint(text));
  static_cast<void>(model::validate_address({std::string(text), 80}));
  if (const auto authority = http::parse_authority(text, 80)) {
    fuzz::must(authority->port >= 1 && authority->port <= 65535, "a port is a port");
  }
}

void settings(std::string_view text) {
  std::int64_t number = 0;
  double fraction = 0;
  bool fact = false;
  std::vector<std::string> list;
  if (config_set(number, text)) fuzz::must(config_set(number, config_text(number)).has_value(), "numbers");
  if (config_set(fraction, text)) fuzz::must(config_set(fraction, config_text(fraction)).has_value(), "fractions");
  static_cast<void>(config_set(fact, text));
  static_cast<void>(config_set(list, text));
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Input input(data, size);
  times(input.text);
  quantities(input.text);
  addresses(input.text);
  settings(input.text);
  return 0;
}
