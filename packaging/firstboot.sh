#!/bin/sh
# The first boot of a Raspberry Pi image: installs the package that lies beside this file, and takes itself out of the kernel's
# command line. See docs/flash.md.
set -u
boot=$(dirname "$0")
sed -i 's| systemd\.run=[^ ]*||; s| systemd\.run_success_action=[^ ]*||; s| systemd\.unit=kernel-command-line\.target||' "$boot/cmdline.txt"
package=$(ls "$boot"/thingway_*_"$(dpkg --print-architecture)".deb 2> /dev/null | head -n 1)
if [ -z "$package" ]; then
    echo "firstboot.sh: there is no package for $(dpkg --print-architecture) beside it" >&2
    exit 1
fi
# Without a network: it depends on nothing that the image does not have.
dpkg --install "$package"
