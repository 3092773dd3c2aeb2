# The guest programs, by what they try. guest_program() is explained in CMakeLists.txt beside this file.
guest_program(hello SOURCES hello.c EXPECT hello.txt ARGS one "two words" VARIANTS dynamic static static-pie non-pie)
