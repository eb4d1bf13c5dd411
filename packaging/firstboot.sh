#!/bin/sh
# The first boot of a Raspberry Pi image: installs the package that lies beside this file, and takes itself out of the kernel's
# command line. See docs/flash.md.
set -u
boot=$(dirname "$0")
# First of all, so that whatever goes wrong later does so once. The words of somebody else's script stay.
sed -i -E '/(^| )systemd\.run=[^ ]*\/firstboot\.sh( |$)/ {
    s/(^| )systemd\.run=[^ ]*//
    s/(^| )systemd\.run_success_action=[^ ]*//
    s/(^| )systemd\.run_failure_action=[^ ]*//
    s/(^| )systemd\.unit=kernel-command-line\.target//
    s/^ //
}' "$boot/cmdline.txt"
architecture=$(dpkg --print-architecture)
package=$(ls "$boot"/thingway_*_"$architecture".deb 2> /dev/null | sort --version-sort | tail -n 1)
if [ -z "$package" ]; then
    echo "firstboot.sh: there is no package for $architecture beside it: thingway_VERSION_$architecture.deb" >&2
    exit 1
fi
# Without a network: it depends on nothing that the image does not have. A changed configuration stays.
dpkg --force-confold --install "$package"
