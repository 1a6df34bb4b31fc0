# Writes OUT: a C++ table of the text files FILES, so that the program carries its recipes.
set(rows)
foreach(file ${FILES})
  get_filename_component(name ${file} NAME_WE)
  file(READ ${file} text)
  string(APPEND rows "  {\"${name}\", R\"toml(${text})toml\"},\n")
endforeach()
file(WRITE ${OUT} "#include \"train/recipe.h\"\nnamespace autodidact {\nconst std::vector<EmbeddedRecipe>& embedded_recipes() {\n  static const std::vector<EmbeddedRecipe> table = {\n${rows}  };\n  return table;\n}\n}  // namespace autodidact\n")
