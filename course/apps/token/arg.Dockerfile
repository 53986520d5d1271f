FROM busybox
LABEL lesson=06
ARG TOKEN
RUN echo "$TOKEN" | wc -c > /used
