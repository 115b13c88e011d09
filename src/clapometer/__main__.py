from clapometer.cli import main

main()
