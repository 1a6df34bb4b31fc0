# The upper layers and the program. Third-party code stops here: kernels and engine need Highway alone.
find_package(PkgConfig REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)

# Recipes are compiled into the program: train/recipes/*.toml -> one generated table of (name, text).
file(GLOB recipes CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/train/recipes/*.toml)
set(embedded ${PROJECT_BINARY_DIR}/generated/embedded_recipes.cpp)
add_custom_command(OUTPUT ${embedded}
  COMMAND ${CMAKE_COMMAND} -DOUT=${embedded} "-DFILES=${recipes}" -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${recipes} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake VERBATIM)

layer(autodidact_train FOLDERS models train ttt
      LINK autodidact_engine nlohmann_json::nlohmann_json fmt::fmt JPEG::JPEG PNG::PNG PkgConfig::XXHASH PkgConfig::CAIRO)
target_sources(autodidact_train PRIVATE ${embedded})
target_compile_definitions(autodidact_train PUBLIC AUTODIDACT_VERSION="${PROJECT_VERSION}")
target_compile_definitions(autodidact_train PRIVATE HIGHWAY_VERSION="${hwy_VERSION}")
target_link_libraries(autodidact_train PRIVATE ${CMAKE_DL_LIBS})

file(GLOB program CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/autodidact/*.cpp)
add_executable(autodidact ${program})
target_link_libraries(autodidact PRIVATE autodidact_train autodidact_cases autodidact_flags)
# Command lines and tables: the work is in the libraries. -O3 of what CLI11 and the JSON library inline costs half as
# much again to compile.
target_compile_options(autodidact PRIVATE -O1)

if(CUDA STREQUAL "EMULATED")
  target_compile_definitions(autodidact_train PRIVATE CUDA_EMULATED=1)
endif()
