FROM busybox
LABEL lesson=06
COPY token.txt /
RUN wc -c < /token.txt > /used
RUN rm /token.txt
