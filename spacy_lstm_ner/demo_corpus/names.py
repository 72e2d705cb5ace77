"""Real-world names, by kind: the open classes of the demo corpus's grammar.

The position of a name in its list decides in which part of the corpus it occurs (see
`generate.part_of`), so appending a name moves no other one.  Some names stand in
several lists on purpose: Washington and Jordan are people and places, Katrina a first
name and a hurricane, as in any newspaper.
"""

__all__ = ["NAMES"]


def _names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list that may run over several lines."""
    return tuple(" ".join(name.split()) for name in text.split(","))


NAMES: dict[str, tuple[str, ...]] = {
    "first_name": _names(
        """Sharon, John, Mary, Robert, Patricia, Ahmed, Linda, Michael, Fatima, William,
        Susan, Carlos, Jessica, Thomas, Karen, Mohammed, Nancy, Daniel, Betty, Helen,
        Sandra, Paul, Ashley, Steven, Kimberly, Andrew, Emily, Donna, Kenneth, Michelle,
        Jorge, Carol, Kevin, Amanda, Brian, Melissa, George, Deborah, Timothy, Rebecca,
        Stephanie, Edward, Laura, Jason, Cynthia, Jeffrey, Dorothy, Ryan, Jacob, Amy,
        Nicholas, Kathleen, Gary, Angela, Eric, Shirley, Jonathan, Anna, Larry, Brenda,
        Justin, Pamela, Scott, Emma, Brandon, Nicole, Benjamin, Samuel, Samantha, Frank,
        Katherine, Gregory, Christine, Raymond, Alexander, Catherine, Patrick, Debra,
        Rachel, Jack, Carolyn, Dennis, Janet, Jerry, Maria, Tyler, Heather, Aaron,
        Diane, Jose, Olivia, Adam, Julie, Nathan, Joyce, Henry, Victoria, Douglas,
        Kelly, Peter, Christina, Zachary, Joan, Kyle, Evelyn, Walter, Lauren, Harold,
        Judith, Jeremy, Megan, Ethan, Andrea, Cheryl, Keith, Hannah, Christian, Roger,
        Jacqueline, Terry, Martha, Gerald, Gloria, Sean, Teresa, Arthur, Sara, Austin,
        Janice, Noah, Kathryn, Lawrence, Ann, Jesse, Joe, Sophia, Bryan, Grace, Billy,
        Judy, Jordan, Theresa, Albert, Charlotte, Dylan, Denise, Bruce, Marilyn, Willie,
        Amber, Gabriel, Danielle, Alan, Rose, Juan, Brittany, Logan, Diana, Wayne,
        Abigail, Roy, Natalie, Ralph, Jane, Randy, Lori, Eugene, Alexis, Vincent,
        Florence, Bobby, Georgia, Russell, Katrina, Philip, Kayla, Louis, Yusuf, Ingrid,
        Hiroshi, Priya, Dmitri, Svetlana, Kwame, Aisha, Giovanni, Lucia, Pierre, Chloe,
        Hans, Greta, Olga, Ivan, Rajesh, Mei, Kenji, Yuki, Omar, Leila, Nadia, Tariq,
        Sofia, Mateo, Camila, Diego, Anders, Astrid, Lars, Freya, Femi, Amina"""
    ),
    "last_name": _names(
        """Smith, Johnson, Williams, Brown, Khan, Garcia, Miller, Davis, Rodriguez,
        Martinez, Hernandez, Lopez, Gonzalez, Wilson, Anderson, Thomas, Taylor, Moore,
        Jackson, Martin, Lee, Perez, Thompson, White, Harris, Sanchez, Clark, Ramirez,
        Lewis, Robinson, Walker, Young, Allen, King, Wright, Scott, Torres, Nguyen,
        Hill, Flores, Green, Adams, Nelson, Baker, Hall, Rivera, Campbell, Mitchell,
        Carter, Roberts, Gomez, Phillips, Evans, Turner, Diaz, Parker, Cruz, Edwards,
        Collins, Reyes, Stewart, Morris, Morales, Murphy, Cook, Rogers, Gutierrez,
        Ortiz, Morgan, Cooper, Peterson, Bailey, Reed, Kelly, Howard, Ramos, Kim, Cox,
        Ward, Richardson, Watson, Brooks, Chavez, Wood, James, Bennett, Gray, Mendoza,
        Ruiz, Hughes, Price, Alvarez, Castillo, Sanders, Patel, Myers, Long, Ross,
        Foster, Jimenez, Powell, Jenkins, Perry, Russell, Sullivan, Bell, Coleman,
        Butler, Henderson, Barnes, Gonzales, Fisher, Vasquez, Simmons, Romero, Jordan,
        Patterson, Alexander, Hamilton, Graham, Reynolds, Griffin, Wallace, Moreno,
        West, Cole, Hayes, Bryant, Herrera, Gibson, Ellis, Tran, Medina, Aguilar,
        Stevens, Murray, Ford, Castro, Marshall, Owens, Harrison, Fernandez, McDonald,
        Woods, Washington, Kennedy, Wells, Vargas, Henry, Chen, Freeman, Webb, Tucker,
        Guzman, Burns, Crawford, Olson, Simpson, Porter, Hunter, Gordon, Mendez, Silva,
        Shaw, Snyder, Mason, Dixon, Munoz, Hunt, Hicks, Holmes, Palmer, Wagner, Black,
        Robertson, Boyd, Stone, Salazar, Fox, Warren, Mills, Meyer, Rice, Schmidt,
        Lincoln, Tanaka, Suzuki, Yamamoto, Kowalski, Novak, Petrov, Ivanova, Hassan,
        Hussein, Mbeki, Okafor, Mensah, Rossi, Ferrari, Bianchi, Dubois, Laurent,
        Moreau, Schneider, Fischer, Becker, Larsen, Johansson, Lindqvist, Virtanen,
        Papadopoulos, Demir, Yilmaz, Sharma, Gupta, Singh, Reddy, Wang, Zhang, Park,
        Choi, Santos, Oliveira, Houston, Sydney, Abbas, Karimi, Haddad, Cohen, Levy"""
    ),
    "city": _names(
        """Miami, London, Paris, Baghdad, Tokyo, Moscow, Beijing, Madrid, Chicago, Kabul,
        Cairo, Berlin, Boston, Rome, Tehran, Houston, Jakarta, Seoul, Nairobi, Vienna,
        Mumbai, Seattle, Washington, Geneva, Islamabad, Lagos, Lima, Toronto, Sydney,
        Athens, Bangkok, Brussels, Denver, Istanbul, Dublin, Atlanta, Karachi, Manila,
        Warsaw, Santiago, Dallas, Kiev, Oslo, Caracas, Philadelphia, Budapest, Damascus,
        Dhaka, Phoenix, Prague, Bogota, Lisbon, Mogadishu, Detroit, Amsterdam, Beirut,
        Havana, Tripoli, Portland, Hanoi, Copenhagen, Kampala, Melbourne, Barcelona,
        Baltimore, Khartoum, Shanghai, Helsinki, Minneapolis, Colombo, Milan, Montreal,
        Accra, Stockholm, Orlando, Kandahar, Munich, Riyadh, Cleveland, Naples, Tunis,
        Vancouver, Harare, Hamburg, Pittsburgh, Kathmandu, Zurich, Basra, Memphis,
        Frankfurt, Algiers, Marseille, Doha, Edinburgh, Charlotte, Dakar, Venice, Delhi,
        Nashville, Sarajevo, Osaka, Tampa, Valencia, Addis Ababa, Turin, Kingston,
        Buenos Aires, Glasgow, Tbilisi, Belgrade, Jerusalem, Las Vegas, Manchester,
        Hong Kong, Quito, Cologne, Luanda, Sofia, San Diego, Lyon, Tashkent, Liverpool,
        San Francisco, Mosul, Antwerp, Ankara, Rotterdam, New York, Bucharest, Calgary,
        Kuala Lumpur, Bristol, Los Angeles, Zagreb, Florence, Mexico City, Bergen,
        New Orleans, Perth, Gothenburg, Rio de Janeiro, Kyoto, Salzburg, Cape Town,
        Lahore, Brisbane, Salt Lake City, Seville, Riga, Buffalo, New Delhi, Minsk,
        Leipzig, Abu Dhabi, Krakow, Omaha, Ho Chi Minh City, Vilnius, Nagoya, San Jose,
        Tallinn, Leeds, Sao Paulo, Busan, Auckland, Kansas City, Wellington, Bilbao"""
    ),
    "country": _names(
        """Iraq, China, France, Iran, Russia, Germany, Israel, Japan, Pakistan, Britain,
        Afghanistan, India, Spain, Sudan, Mexico, Italy, Syria, Brazil, Egypt, Turkey,
        Canada, Nigeria, Ukraine, Cuba, Australia, Indonesia, Poland, Venezuela, Kenya,
        Lebanon, Greece, Somalia, Colombia, Thailand, Jordan, Ethiopia, Peru, Vietnam,
        Norway, Chile, Haiti, Bolivia, Sweden, Nepal, Uganda, Argentina, Belgium, Libya,
        Austria, Zimbabwe, Portugal, Georgia, Bangladesh, Ecuador, Denmark, Rwanda,
        Serbia, Malaysia, Morocco, Finland, Chad, Hungary, Cambodia, Ghana, Romania,
        Kuwait, Switzerland, Algeria, Ireland, Kazakhstan, Tunisia, Bulgaria, Yemen,
        Senegal, Croatia, Angola, Philippines, Uruguay, Estonia, Liberia, Singapore,
        Honduras, Latvia, Mali, Uzbekistan, Nicaragua, Armenia, Tanzania, Slovakia,
        Paraguay, Albania, Mongolia, Eritrea, Guatemala, Belarus, Zambia, Iceland,
        Panama, Niger, Azerbaijan, Burundi, Slovenia, Jamaica, Namibia, Lithuania,
        South Africa, Saudi Arabia, North Korea, South Korea, New Zealand, Sri Lanka,
        Costa Rica, El Salvador, Sierra Leone, Ivory Coast, Burkina Faso, East Timor,
        United States, United Kingdom, Czech Republic, Dominican Republic"""
    ),
    "region": _names(
        """California, Texas, Kashmir, Florida, Darfur, Siberia, Bavaria, Virginia,
        Chechnya, Scotland, Alaska, Catalonia, Ohio, Gaza, Tuscany, Louisiana, Punjab,
        Michigan, Tibet, Normandy, Kosovo, Georgia, Quebec, Andalusia, Oregon, Wales,
        Sicily, Colorado, Balochistan, Brittany, Arizona, Helmand, Ontario, Tennessee,
        Crimea, Provence, Hawaii, Sindh, Patagonia, Nevada, Anatolia, Corsica, Alabama,
        Sumatra, Kansas, Bengal, Saxony, Kentucky, Flanders, Iowa, Java, Lombardy,
        Utah, Kerala, Galicia, Maine, Bihar, Silesia, Montana, Gujarat, Tasmania,
        North Waziristan, South Ossetia, New Jersey, North Carolina, West Bengal,
        New Mexico, Western Sahara, South Dakota, British Columbia, Nova Scotia"""
    ),
    "river": _names(
        """Nile, Mississippi, Danube, Amazon, Rhine, Tigris, Ganges, Volga, Thames,
        Yangtze, Seine, Euphrates, Mekong, Missouri, Indus, Congo, Colorado, Elbe,
        Hudson, Niger, Dnieper, Potomac, Zambezi, Loire, Jordan, Yukon, Orinoco, Tagus,
        Ohio, Oder, Irrawaddy, Don, Rhone, Limpopo, Delaware, Brahmaputra, Po, Murray,
        Vistula, Columbia, Senegal, Neva"""
    ),
    "lake": _names(
        """Victoria, Michigan, Geneva, Baikal, Superior, Titicaca, Ontario, Tanganyika,
        Erie, Chad, Como, Malawi, Huron, Constance, Tahoe, Garda, Ladoga, Champlain,
        Balaton, Turkana, Maggiore, Placid, Ohrid, Volta, Nicaragua, Winnipeg, Onega,
        Eyre"""
    ),
    "mountain": _names(
        """Everest, Etna, Kilimanjaro, Merapi, Rainier, Vesuvius, Ararat, Fuji, McKinley,
        Pinatubo, Olympus, Kenya, Elbrus, Sinai, Hood, Whitney, Nyiragongo, Blanc,
        Rushmore, Erebus, Cook, Shasta, Logan, Mayon, Elgon, Washington, Hermon, Tambora"""
    ),
    "demonym": _names(
        """Iraqi, French, American, Israeli, Russian, Iranian, British, Chinese, German,
        Afghan, Palestinian, Pakistani, Indian, Japanese, Sudanese, Turkish, Spanish,
        Italian, Syrian, U.S., Mexican, Lebanese, Egyptian, Cuban, Ukrainian, Canadian,
        Somali, Venezuelan, Australian, Danish, Saudi, Polish, Kenyan, Brazilian,
        Norwegian, Serbian, Indonesian, Vietnamese, Nigerian, Irish, Chilean, Swiss,
        Colombian, Thai, Swedish, Korean, Georgian, Haitian, Greek, Hungarian, Kurdish,
        Peruvian, Belgian, Austrian, Yemeni, Ethiopian, Nepalese, Bolivian, Finnish,
        Libyan, Jordanian, Romanian, Argentine, Burmese, Bulgarian, Dutch, Chadian,
        Malaysian, Portuguese, Croatian, Kuwaiti, Rwandan, Scottish, Algerian, Czech,
        Moroccan, Taiwanese, Albanian, Ugandan, Tunisian, Armenian, Bangladeshi, Welsh,
        Cambodian, Ecuadorian, Latvian, Congolese, Uzbek, Slovak, Ghanaian, Estonian,
        Lithuanian, Kazakh, Zimbabwean, Tibetan, Bosnian, Honduran, Chechen, Panamanian,
        Liberian, Mongolian, Icelandic, Senegalese, Tamil, Flemish, Bahraini, Eritrean,
        South African, North Korean, South Korean, Sri Lankan, Costa Rican"""
    ),
    "people_name": _names(
        """Iraqis, Americans, Israelis, Palestinians, Russians, Iranians, Germans,
        Afghans, Indians, Pakistanis, Kurds, Italians, Syrians, Mexicans, Cubans,
        Egyptians, Ukrainians, Canadians, Somalis, Australians, Danes, Shiites, Poles,
        Kenyans, Serbs, Brazilians, Norwegians, Nigerians, Koreans, Swedes, Turks,
        Chileans, Tutsis, Greeks, Hungarians, Sunnis, Belgians, Georgians, Colombians,
        Spaniards, Ethiopians, Haitians, Bosnians, Hutus, Saudis, Libyans, Jordanians,
        Tibetans, Romanians, Croats, Bulgarians, Albanians, Armenians, Peruvians, Finns,
        Ugandans"""
    ),
    "company_name": _names(
        """Microsoft, Toyota, Google, Siemens, Boeing, Sony, Nokia, Exxon, Samsung,
        Volkswagen, Intel, Honda, Airbus, Pfizer, Chrysler, Nestle, Gazprom, IBM, Apple,
        Citigroup, Yahoo, Novartis, Verizon, Renault, Chevron, Nike, Halliburton, BMW,
        Starbucks, Philips, Lufthansa, Motorola, Unilever, Walmart, Ericsson, Amazon,
        Total, Fiat, Oracle, Lukoil, Dell, Peugeot, Vodafone, Merck, Cisco, Hitachi,
        Petrobras, Nissan, Bayer, AT&T, Heineken, Qantas, Facebook, Daimler, Panasonic,
        Yukos, eBay, Hyundai, Ryanair, Adobe, Michelin, Canon, Shell, Raytheon, Carrefour,
        Mazda, Netflix, Bosch, Telefonica, Texaco, Infosys, Danone, Lenovo, PepsiCo,
        Mitsubishi, Ikea, Conoco, Huawei, Alstom, Caterpillar, Rosneft, Tesla, Rio Tinto,
        General Motors, Royal Dutch Shell, Goldman Sachs, Deutsche Bank, Morgan Stanley,
        General Electric, British Airways, Wells Fargo, Credit Suisse, Air France,
        Delta Air Lines, Bank of America, Procter & Gamble, Standard Chartered,
        American Express, Johnson & Johnson, Time Warner, Deutsche Telekom"""
    ),
    "institution": _names(
        """United Nations, NATO, World Bank, Hamas, Red Cross, European Union, Pentagon,
        Taliban, International Monetary Fund, Congress, African Union, Senate, Hezbollah,
        World Health Organization, White House, Associated Press, Interpol, OPEC, CIA,
        World Trade Organization, Amnesty International, Al-Qaida, Supreme Court, FBI,
        Arab League, Security Council, UNICEF, Human Rights Watch, State Department,
        Greenpeace, European Commission, Kremlin, Reuters, Doctors Without Borders, NASA,
        House of Representatives, BBC, Fatah, General Assembly, Scotland Yard, FIFA,
        Federal Reserve, Labor Party, Knesset, International Olympic Committee, ASEAN,
        World Food Program, Republican Party, Treasury, Bundestag, Oxfam, Mossad, CNN,
        Democratic Party, International Criminal Court, UNESCO, Al-Jazeera, Vatican,
        New York Times, Conservative Party, Peace Corps, Boko Haram, Save the Children,
        European Central Bank, Washington Post, Liberal Party, Agence France-Presse,
        Farm Bureau, National Guard, Coast Guard, Muslim Brotherhood, Central Bank"""
    ),
    "work_name": _names(
        """Mona Lisa, Hamlet, The Godfather, Bohemian Rhapsody, War and Peace, Titanic,
        Guernica, Moby Dick, Star Wars, Don Quixote, Casablanca, Ulysses, Thriller,
        The Lord of the Rings, Abbey Road, Macbeth, Imagine, Avatar, The Great Gatsby,
        Harry Potter, Don Giovanni, The Starry Night, Hotel California, Jurassic Park,
        Pride and Prejudice, The Last Supper, Carmen, Gone with the Wind, Othello, Faust,
        Like a Rolling Stone, Crime and Punishment, The Matrix, Purple Rain, Psycho,
        The Old Man and the Sea, Schindler's List, Aida, Swan Lake, The Scream, Vertigo,
        The Satanic Verses, Rumours, King Lear, Citizen Kane, Madame Bovary, The Kiss,
        The Magic Flute, Great Expectations, Brokeback Mountain, Yesterday, Middlemarch,
        Girl with a Pearl Earring, Frankenstein, Pulp Fiction, Anna Karenina, Dracula,
        Slumdog Millionaire, Water Lilies, The Tempest, Rigoletto, La Traviata, Nevermind,
        The Catcher in the Rye, The Night Watch, Forrest Gump, Jane Eyre, Back in Black,
        To Kill a Mockingbird, The Nutcracker, Blade Runner, Robinson Crusoe, The Wall,
        Lawrence of Arabia, Invisible Man, The Birth of Venus, Tosca, West Side Story,
        The Pianist, The Lion King, Oliver Twist, Born to Run, The Da Vinci Code, Emma,
        Good Vibrations, The Trial, American Gothic, Candide, Messiah, The Sun Also Rises,
        Fidelio, Les Miserables, Black Swan, Things Fall Apart, The Thinker, Amadeus,
        Breakfast at Tiffany's, Brave New World, The Hobbit, Sunflowers, Eroica, Rocky,
        The Name of the Rose, Turandot, Animal Farm, Wuthering Heights, Apocalypse Now"""
    ),
    "prize": _names(
        """Nobel Peace Prize, Pulitzer Prize, Academy Award, Booker Prize, Grammy Award,
        Fields Medal, Golden Globe, Congressional Gold Medal, Palme d'Or, Turner Prize,
        Nobel Prize, Golden Bear, Tony Award, Man Booker Prize, Purple Heart,
        Medal of Honor, Emmy Award, Presidential Medal of Freedom, Golden Lion,
        Sakharov Prize, Victoria Cross, Templeton Prize, Legion of Honor, Turing Award,
        Silver Bear, Pritzker Prize, Wolf Prize, Bronze Star"""
    ),
    "vehicle_name": _names(
        """Boeing 747, Airbus A380, Discovery, Toyota Prius, Apollo 11, Voyager 1, Soyuz,
        Black Hawk, Challenger, Boeing 737, Titanic, Mir, Endeavour, F-16, Columbia,
        Queen Mary, Airbus A320, Atlantis, Apache, Concorde, Cessna 172, Hubble, Antonov
        An-24, Sputnik, Mars Odyssey, Galileo, Boeing 777, Cassini, Bismarck, Spirit,
        Tupolev Tu-154, Opportunity, Ford Mustang, Pathfinder, Predator"""
    ),
    "event_name": _names(
        """World War II, Olympics, World Cup, Cold War, Super Bowl, Gulf War, Holocaust,
        Winter Olympics, World Series, Vietnam War, Asian Games, French Revolution,
        Tour de France, Great Depression, Champions League, Korean War, Wimbledon,
        World War I, Davis Cup, Commonwealth Games, Orange Revolution, Ryder Cup,
        Civil War, Kentucky Derby, Summer Olympics, Six-Day War, Grand National,
        Cuban Missile Crisis, Stanley Cup, Industrial Revolution, Oktoberfest,
        American Revolution, European Championship, Paralympics, Falklands War, Masters,
        Arab Spring, Boston Marathon, Crimean War, Copa America, Indianapolis 500,
        Velvet Revolution, Prague Spring, Boxer Rebellion, Africa Cup of Nations,
        Russian Revolution, America's Cup, Yom Kippur War, Daytona 500"""
    ),
    "battlefield": _names(
        """Waterloo, Gettysburg, Stalingrad, Hastings, Trafalgar, Verdun, Midway, Marathon,
        the Bulge, Britain, Agincourt, the Somme, Austerlitz, Saratoga, El Alamein, Kursk,
        Yorktown, Gallipoli, Thermopylae, Okinawa, Bunker Hill, Leyte Gulf, Lepanto,
        Fallujah, Leipzig, Antietam, Borodino, Dien Bien Phu"""
    ),
    "storm_name": _names(
        """Katrina, Rita, Wilma, Dean, Ivan, Nargis, Gustav, Andrew, Dennis, Stan, Felix,
        Emily, Ike, Haiyan, Mitch, Sandy, Isabel, Frances, Damrey, Charley, Jeanne, Sidr,
        Alpha, Ernesto, Bopha, Irma, Maria, Hugo, Noel, Ketsana, Harvey, Camille, Ophelia,
        Morakot, Beta, Dolly, Idai, Rammasun, Ondoy, Bertha, Florence, Hanna, Chanchu,
        Irene, Michael, Pam, Gonu, Lekima, Agnes"""
    ),
    "virus": _names(
        """H5N1, HIV, Ebola, H1N1, SARS, Zika, West Nile, H7N9, AIDS, Marburg, H3N2, MERS,
        Lassa, Hantavirus, Dengue, H5N8, Nipah, Chikungunya, H9N2, Rift Valley Fever,
        Coronavirus, H2N2, Yellow Fever, Japanese Encephalitis, H7N7, Hendra, Avian Flu,
        H10N8"""
    ),
    "comet": _names(
        """Halley, Hale-Bopp, Encke, Hyakutake, Lovejoy, Shoemaker-Levy, Biela, Tempel,
        McNaught, Kohoutek, Swift-Tuttle, Holmes, Borrelly, Ikeya-Seki"""
    ),
}
