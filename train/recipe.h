// Recipes: flat, typed TOML. A key is declared once, beside the code that uses it: an options
// struct lists its fields in visit(Keys&) with name, meaning and range, and the same list reads the
// TOML, writes the resolved config.toml and finds the nearest name for a misspelt key.
//
//   struct RotationOptions {
//     std::string rotations = "random";
//     void visit(Keys& k) { k("rotations", rotations, "random: one of four a picture; all: four",
//     {"random", "all"}); }
//   };
//
// Order: --set over --recipe over the fields' initial values.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <variant>
#include <vector>
#include "engine/check.h"

namespace autodidact {

struct EmbeddedRecipe {
  std::string name, text;
};
const std::vector<EmbeddedRecipe>& embedded_recipes();  // generated from train/recipes/*.toml

class Keys {
 public:
  virtual ~Keys() = default;
  virtual void operator()(const char* name, int64_t& v, const char* meaning, int64_t least,
                          int64_t most) = 0;
  virtual void operator()(const char* name, double& v, const char* meaning, double least,
                          double most) = 0;
  virtual void operator()(const char* name, bool& v, const char* meaning) = 0;
  virtual void operator()(const char* name, std::string& v, const char* meaning,
                          std::initializer_list<const char*> choices = {}) = 0;
  virtual void operator()(const char* name, std::vector<int64_t>& v, const char* meaning) = 0;
};

class Recipe {
 public:
  using Value = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>>;

  Recipe() = default;
  // A name of an embedded recipe, or a file (<= 1 MiB). ErrorKind::usage: unknown name (the nearest
  // is named), a TOML error with its line and column, a nested table.
  explicit Recipe(const std::string& name_or_file);
  static Recipe parse(const std::string& text, const std::string& origin);
  // "key=value". A value that is no TOML value is a text; a text key takes any value as it stands.
  void set(const std::string& assignment);
  void set(const std::string& key, Value value) { values_[key] = {std::move(value), "--set", ""}; }
  bool has(const std::string& key) const { return values_.count(key) > 0; }
  const Value* find(const std::string& key) const {  // null: not given
    auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second.value;
  }

  // What `from` gives to these options' keys, where this recipe gives nothing; before they are
  // read. Returns a text a key: "width = 16".
  template <class Options>
  std::vector<std::string> take(Options options, const Recipe& from) {
    Taker taker(*this, from);
    options.visit(taker);
    return taker.taken;
  }
  // Fills the fields that the recipe names. ErrorKind::usage: wrong type, out of range, not one of
  // the choices.
  template <class Options>
  void read(Options& options) {
    Reader reader(*this);
    options.visit(reader);
  }
  // After every options struct was read: a key that none of them has is ErrorKind::usage, with the
  // nearest one.
  void check_all_known() const;
  // Every key that was read with its value and meaning, as TOML: reading it gives the same options.
  std::string resolved() const { return resolved_; }
  // A resolved recipe of an earlier program, and this one's initial values for the keys that it
  // lacks: a new key's initial value must mean what was done before there was the key.
  std::string completed(std::string resolved) const;

 private:
  struct Given {
    Value value;
    std::string origin;
    std::string raw;  // what --set was given, before it was taken for a number
  };
  class Reader : public Keys {
   public:
    explicit Reader(Recipe& r) : recipe_(r) {}
    void operator()(const char*, int64_t&, const char*, int64_t, int64_t) override;
    void operator()(const char*, double&, const char*, double, double) override;
    void operator()(const char*, bool&, const char*) override;
    void operator()(const char*, std::string&, const char*,
                    std::initializer_list<const char*>) override;
    void operator()(const char*, std::vector<int64_t>&, const char*) override;

   private:
    template <class T>
    const T* find(const char* name, const T& initial, const char* type);
    void resolve(const char* name, const std::string& value, const char* meaning);
    Recipe& recipe_;
  };

  class Taker : public Keys {
   public:
    Taker(Recipe& to, const Recipe& from) : to_(to), from_(from) {}
    void operator()(const char* n, int64_t&, const char*, int64_t, int64_t) override { take(n); }
    void operator()(const char* n, double&, const char*, double, double) override { take(n); }
    void operator()(const char* n, bool&, const char*) override { take(n); }
    void operator()(const char* n, std::string&, const char*,
                    std::initializer_list<const char*>) override {
      take(n);
    }
    void operator()(const char* n, std::vector<int64_t>&, const char*) override { take(n); }
    std::vector<std::string> taken;

   private:
    void take(const std::string& name);
    Recipe& to_;
    const Recipe& from_;
  };

  std::map<std::string, Given> values_;
  std::vector<std::string> known_;
  std::map<std::string, std::string> initial_;  // the values of known_ before they were read
  std::string resolved_;
};

// The keys in which two resolved recipes differ, a line each: "epochs: 10 then, 20 now". Empty:
// none.
std::string recipe_differences(const std::string& then, const std::string& now);

// The candidate at the smallest edit distance, or "" if none is near. What a word leaves off at the
// end counts half: names begin with what they are about.
std::string nearest(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace autodidact
