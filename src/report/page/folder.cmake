# The style sheet, the scripts and the pieces of HTML of report.html become byte arrays of the library. Written at configure time; a change
# of a file configures again.
set(page_assets "")
foreach(asset report.css page.js charts.js talks.js debates.js head.html
    debates.html talks.html)
  set(asset_file ${PROJECT_SOURCE_DIR}/src/report/page/assets/${asset})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${asset_file})
  file(READ ${asset_file} asset_bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," asset_bytes "${asset_bytes}")
  string(REPLACE "." "_" asset_name ${asset})
  string(APPEND page_assets "const char pbt_asset_${asset_name}[] = {${asset_bytes}0};\n")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/report_assets.c @ONLY
  CONTENT "/* Made by src/report/page/folder.cmake from src/report/page/assets. */\n#include \"report/page/assets.h\"\n\n@page_assets@")
target_sources(pbt_report_page PRIVATE ${PROJECT_BINARY_DIR}/report_assets.c)
