#include <stdio.h>

int main(void) {
    puts("\n"
         "Hello from Docker!\n"
         "If you can read this, your Docker client and engine work together.\n"
         "\n"
         "What just happened:\n"
         " 1. The Docker client sent your command to the Docker daemon.\n"
         " 2. The daemon did not have the image \"hello-world\", so it pulled it from a\n"
         "    registry. (Had it been here already, this step was skipped.)\n"
         " 3. The daemon created a container from that image and started its program,\n"
         "    the one that wrote these lines.\n"
         " 4. The daemon streamed the program's output to the client, which printed it\n"
         "    in front of you.\n"
         "\n"
         "Something with more to explore:\n"
         " $ docker run -it alpine sh\n");
    return 0;
}
